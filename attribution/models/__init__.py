"""Credit models and what they learn from."""

from attribution.models.rules import (
    FIRST,
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

__all__ = ["MODELS", "CreditModel"]

# The order is the order of the page's choice.
MODELS: dict[str, CreditModel] = {
    model.name: model
    for model in (
        *(FIRST, LAST, LAST_NON_DIRECT, LINEAR, POSITION, MILESTONE, TIME_DECAY),
        *(MARKOV, SHAPLEY_SUM, SHAPLEY_RATE),
    )
}
