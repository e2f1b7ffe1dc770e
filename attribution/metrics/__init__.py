"""Every number that caretrace shows, defined once: pages, exports and docs read it from here."""

from dataclasses import replace

from attribution.metrics.acquiring import ACQUIRING
from attribution.metrics.crediting import CREDITING
from attribution.metrics.definition import Better, Definition, Format
from attribution.metrics.engaging import ENGAGING
from attribution.metrics.experience import EXPERIENCE
from attribution.metrics.facts import CHANGES, FACTS
from attribution.metrics.forecasting import FORECASTING
from attribution.metrics.journeys import JOURNEYS
from attribution.metrics.lifting import LIFTING
from attribution.metrics.mixing import MIXING
from attribution.metrics.people import PEOPLE
from attribution.metrics.reconciling import RECONCILING
from attribution.metrics.reporting import REPORTING
from attribution.metrics.retaining import RETAINING
from attribution.metrics.sending import SENDING
from attribution.metrics.way_back import WAY_BACK

__all__ = ["KINDS", "METRICS", "Better", "Definition", "Format", "definition", "ratio"]

_EVERY = (
    *ACQUIRING,
    *CREDITING,
    *JOURNEYS,
    *RETAINING,
    *WAY_BACK,
    *EXPERIENCE,
    *RECONCILING,
    *PEOPLE,
    *ENGAGING,
    *FORECASTING,
    *MIXING,
    *SENDING,
    *LIFTING,
    *REPORTING,
)


def _whole(each: Definition) -> Definition:
    """A definition with what `facts` adds to it; as it is where nothing is said of it yet."""
    facts = FACTS.get(each.name)
    if facts is None:
        return each
    return replace(
        each,
        grain=facts.grain,
        date_basis=facts.date_basis,
        pages=facts.pages,
        changes=CHANGES.get(each.name, ()),
    )


METRICS: dict[str, Definition] = {each.name: _whole(each) for each in _EVERY}

# The conversion kinds of the credit and conversions marts, and the number that each one feeds.
KINDS: dict[str, str] = {
    "lead": "leads",
    "booked": "booked",
    "kept": "kept",
    "new_patient": "new_patients",
    "collected": "collected",
}


def definition(name: str) -> Definition:
    """The definition of a number."""
    return METRICS[name]


def ratio(over: float | None, under: float | None) -> float | None:
    """One number over another; None where it has no meaning."""
    if over is None or not under:
        return None
    return over / under
