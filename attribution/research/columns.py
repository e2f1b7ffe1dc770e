"""The columns that research data may have: an allow-list, and the codebook of what they mean.

What is not here cannot leave. Of each column it is also known which values it may hold, so that no
text comes through that nobody looked at.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from attribution.errors import NotAllowed
from attribution.research.rare import NONE

Role = Literal["row", "quasi-identifier", "sensitive", "other", "date"]
Profile = Literal["safe-harbor", "expert"]
PROFILES: tuple[Profile, ...] = ("safe-harbor", "expert")
MONEY_BANDS = ("nothing", "under 100", "100-499", "500-1,999", "2,000-9,999", "10,000 or more")
COUNT_BANDS = ("0", "1", "2-4", "5+")
LEAD_BANDS = ("no earlier lead", "0-7 days", "8-30 days", "31-90 days", "91 days or more")
SHARE_BANDS = ("not measured", "none", "some", "most")
ANSWERS = ("nothing sent", "no", "yes")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it means, where it comes from, what was done to it, what it may hold.

    `values` is empty where they depend on the cohort: the export then names them.
    """

    name: str
    role: Role
    meaning: str
    source: str
    transformation: str
    values: tuple[str, ...] = ()
    profiles: tuple[Profile, ...] = PROFILES


COLUMNS = (
    Column(
        "row_id", "row", "Nothing but this row of this export.", "drawn at random",
        "New random numbers for each export; rows are in their order.",
    ),
    Column(
        "age", "quasi-identifier", "Age reached in the year in which the data end.",
        "medical record: birth year", "Bands; above 89 all are 90+ or in a wider open band.",
    ),
    Column(
        "sex", "quasi-identifier", "Sex as recorded.", "medical record",
        "Kept, or * for everybody.",
    ),
    Column(
        "zip3", "quasi-identifier", "Where the person lives.", "medical record: ZIP code",
        "First three digits, 000 where they hold 20,000 people or fewer; or state; or *.",
    ),
    Column(
        "first_visit_year", "quasi-identifier", "Year of the first kept visit in the data.",
        "medical record: appointments, encounters", "Year or span of years; in an export by expert "
        "determination that of the shifted date.",
    ),
    Column(
        "visits", "quasi-identifier", "Kept visits in all.",
        "medical record: appointments, encounters", "Bands.",
    ),
    Column(
        "service_line", "quasi-identifier", "Service line of most visits.", "medical record",
        "Lines of fewer people than k are Other.",
    ),
    Column(
        "condition", "sensitive", "Diagnosis group of most visits.", "medical record: diagnoses",
        "Groups of fewer people than k become a coarser group, then Other.",
    ),
    Column(
        "treatment", "sensitive", "Procedure group of most visits.", "medical record: procedures",
        "As condition.",
    ),
    Column(
        "paid", "sensitive", "What was paid for the person's care in all.", "payments",
        "Bands of whole units of the installation's currency.", MONEY_BANDS,
    ),
    Column(
        "first_channel", "other", "Channel of the first known touch.", "web, calls, CRM, messages",
        "Names of the channel rules; those of fewer people than k are Other.",
    ),
    Column(
        "lead_source", "other", "Channel that the CRM names as the contact's first source.", "CRM",
        "As first_channel.",
    ),
    Column(
        "lead_to_visit", "other", "From the first lead to the first kept visit.",
        "CRM and medical record", "Bands of days.", LEAD_BANDS,
    ),
    Column(
        "emails", "other", "E-mails sent to the person by flows.", "outreach", "Bands.", COUNT_BANDS
    ),
    Column(
        "texts", "other", "Text messages sent by flows.", "outreach", "Bands.", COUNT_BANDS
    ),
    Column(
        "other_messages", "other", "Letters and calls by flows.", "outreach", "Bands.", COUNT_BANDS
    ),
    Column(
        "answered", "other", "Whether the person opened, clicked or answered any of them.",
        "outreach", "Yes or no.", ANSWERS,
    ),
    Column(
        "high_pollen", "other", "Share of visits in the quarter of weeks with most pollen.",
        "environment by place and week", "Bands; some is up to half.", SHARE_BANDS,
    ),
    Column(
        "poor_air", "other", "Share of visits in weeks with a mean air quality index above 50.",
        "environment by place and week", "Bands; some is up to half.", SHARE_BANDS,
    ),
    Column(
        "first_visit_on", "date", "Day of the first kept visit, shifted.",
        "medical record: appointments, encounters",
        "Shifted by whole weeks drawn once for each person under a key; empty where "
        "fewer than k people could be meant.", profiles=("expert",),
    ),
)  # fmt: skip
BY_NAME = {column.name: column for column in COLUMNS}
QUASI = tuple(column.name for column in COLUMNS if column.role == "quasi-identifier")
SENSITIVE = tuple(column.name for column in COLUMNS if column.role == "sensitive")
FOLDED = ("service_line", "condition", "treatment", "first_channel", "lead_source")
EMPTY = frozenset({NONE})


def allowed(profile: Profile) -> tuple[str, ...]:
    """The columns that an export of a profile may have, in order."""
    return tuple(column.name for column in COLUMNS if profile in column.profiles)


def refuse_others(names: Iterable[str], profile: Profile) -> None:
    """Raise NotAllowed where a column is none of the allowed ones."""
    unknown = sorted(set(names) - set(allowed(profile)))
    if unknown:
        raise NotAllowed(
            f"{', '.join(unknown)} may not be in research data of the profile {profile}: only the "
            "columns of the codebook may. Nothing was written."
        )
