"""What is to come and how sure that is: the numbers of Forecast."""

from attribution.metrics.definition import Definition

FORECASTING: tuple[Definition, ...] = (
    Definition(
        "expected",
        "Expected",
        "What the chosen model foretells of a week; parts make up totals only where that is set.",
        "Exponential smoothing, unless another model was clearly better on weeks it had not seen, "
        "or what is booked was no worse.",
        "number",
        "neither",
    ),
    Definition(
        "likely_low",
        "80% from",
        "Four weeks in five come to this or more, and to no more than the upper end.",
        "As wide as the misses of earlier forecasts, so many weeks ahead.",
        "number",
        "neither",
    ),
    Definition(
        "likely_high",
        "80% to",
        "The upper end of the range that four weeks in five fall into.",
        "As wide as the misses of earlier forecasts, so many weeks ahead.",
        "number",
        "neither",
    ),
    Definition(
        "wide_low",
        "95% from",
        "Nineteen weeks in twenty come to this or more, and to no more than the upper end.",
        "As wide as the misses of earlier forecasts, so many weeks ahead.",
        "number",
        "neither",
    ),
    Definition(
        "wide_high",
        "95% to",
        "The upper end of the range that nineteen weeks in twenty fall into.",
        "As wide as the misses of earlier forecasts, so many weeks ahead.",
        "number",
        "neither",
    ),
    Definition(
        "target",
        "Target",
        "What a week is meant to come to, as the settings say.",
        "[forecast.targets] in caretrace.toml; empty where none is set.",
        "number",
        "neither",
    ),
    Definition(
        "on_target",
        "Expected of target",
        "How much of the target of the coming weeks is expected.",
        "Expected ÷ target, over the weeks ahead.",
        "rate",
    ),
    Definition(
        "wape",
        "Held-out error",
        "How far off forecasts were on weeks that the model had not seen.",
        "Sum of all misses ÷ sum of all that came (WAPE), from several origins.",
        "rate",
        "down",
    ),
)
