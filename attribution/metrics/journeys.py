"""The ways that people take: the numbers of Journeys."""

from attribution.metrics.definition import Definition


def _journeys() -> tuple[Definition, ...]:
    return (
        Definition(
            "journeys",
            "Journeys",
            "Journeys with a known touch that ended in these quarters: converted, or given up.",
            "A journey is given up when the lookback has passed since its last touch.",
            "count",
            "neither",
        ),
        Definition(
            "journey_touches",
            "Median touches",
            "Half of the converted journeys had at most so many touches.",
            "Of several quarters or service lines: the mean of their medians by journeys.",
            "number",
            "neither",
        ),
        Definition(
            "journey_days",
            "Median days",
            "Half of the converted journeys took at most so many days from first touch to the end.",
            "Of several quarters or service lines: the mean of their medians by journeys.",
            "number",
            "down",
        ),
        Definition(
            "one_touch",
            "One touch",
            "Share of the converted journeys that had a single touch.",
            "Journeys of one touch ÷ converted journeys.",
            "rate",
            "neither",
        ),
        Definition(
            "converted",
            "Converted",
            "Journeys that ended in a conversion of the chosen kind.",
            "Only those with a known touch before it.",
            "count",
        ),
        Definition(
            "path_rate",
            "Conversion rate",
            "Share of the path's journeys that ended in a conversion.",
            "Converted ÷ all journeys, those given up included.",
            "rate",
        ),
    )


JOURNEYS: tuple[Definition, ...] = _journeys()
