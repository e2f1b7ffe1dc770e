"""Credit models and what they learn from."""

from attribution.models.rules import (
    FIRST,
    INCREMENTAL,
    LAST,
    LAST_NON_DIRECT,
    LINEAR,
    MARKOV,
    MILESTONE,
    POSITION,
    SHAPLEY_RATE,
    SHAPLEY_SUM,
    TIME_DECAY,
    CreditModel,
)

__all__ = ["BASELINE", "MODELS", "WEIGHED", "CreditModel"]

# The order is the order of the page's choice.
MODELS: dict[str, CreditModel] = {
    model.name: model
    for model in (
        *(FIRST, LAST, LAST_NON_DIRECT, LINEAR, POSITION, MILESTONE, TIME_DECAY),
        *(MARKOV, SHAPLEY_SUM, SHAPLEY_RATE, INCREMENTAL),
    )
}
# Those that share a journey's credit among its touches.
WEIGHED = {name: model for name, model in MODELS.items() if model.weight}
# The channel of what would have come without any marketing, under `incremental`.
BASELINE = "baseline"
