"""The visits behind single leads: key events that carry the CRM's number of the lead.

GA4 tells the minute of the key event and the source of its session, not when the session began. A
visit begins before its form is sent and the CRM's record is made, so its touch is put two minutes
before the minute of the event: it then comes before the lead, whose clock may be a little slow.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.contract import Touchpoint
from connectors.errors import SourceMisconfigured
from connectors.ga4_report import KEY_EVENTS, Query, Report
from connectors.source import Item, Rejected, Window

BEFORE = timedelta(minutes=2)
IDS = ("crm_id", "click_id", "client_id")
_NOTHING = {"", "(not set)", "(data not available)", "null", "undefined"}


@dataclass(frozen=True, slots=True)
class Leads:
    """Where a lead's number is in GA4, and what it is in the CRM."""

    dimension: str
    events: tuple[str, ...]
    id_is: str  # crm_id, click_id, client_id
    kind: str  # session, form

    @property
    def query(self) -> Query:
        """One row for a lead's key event in a minute; of nine dimensions seven."""
        return Query(
            "lead_touches",
            ("dateHourMinute", "eventName", self.dimension, "sessionSource", "sessionMedium",
             "sessionCampaignId", "sessionCampaignName"),
            (KEY_EVENTS,),
            self.events,
            kept=False,  # it has a row for each person
        )  # fmt: skip

    def items(self, reports: Iterable[Report], zone: str, window: Window) -> Iterator[Item]:
        """A touch for each lead, event, day and source, and what GA4 did not tell."""
        touches: dict[str, Touchpoint] = {}
        lost: Counter[str] = Counter()
        withheld = False
        for report in reports:
            withheld |= report.thresholded
            for key, (events,) in report.rows.items():
                minute, lead = key[0], key[2].strip()
                if "(other)" in (minute, lead):
                    lost["(other)"] += round(events)
                elif lead in _NOTHING:
                    lost["(not set)"] += round(events)
                else:
                    touch = self._touch(key, lead, _minute(minute, ZoneInfo(zone)))
                    known = touches.setdefault(touch.touch_id, touch)
                    if touch.at < known.at:
                        touches[touch.touch_id] = touch
        yield from touches.values()
        yield from self._left_out(lost, window, withheld=withheld)

    def _touch(self, key: tuple[str, ...], lead: str, at: datetime) -> Touchpoint:
        _, event, _, source, medium, campaign_id, campaign = key
        # The day is of the key: a page opened again weeks later must not move the first touch.
        parts = (event, lead, f"{at:%Y%m%d}", source, medium, campaign_id, campaign)
        ids = dict.fromkeys(IDS) | {self.id_is: lead}
        return Touchpoint(
            touch_id="\x1f".join(parts),
            # In UTC: minutes before the clock goes forward there is none that it shows.
            at=at.astimezone(UTC) - BEFORE,
            kind=self.kind,
            crm_id=ids["crm_id"],
            client_id=ids["client_id"],
            click_id=ids["click_id"],
            utm_source=source,
            utm_medium=medium,
            utm_campaign=_known(campaign),
            campaign_id=_known(campaign_id),
            source_day=at.date(),
        )

    def _left_out(
        self, lost: Counter[str], window: Window, *, withheld: bool
    ) -> Iterator[Rejected]:
        reasons = {
            "(not set)": f"{lost['(not set)']:,} key events came without a lead's number",
            "(other)": f"{lost['(other)']:,} key events were folded into (other) by GA4",
        }
        said = [reasons[name] for name in reasons if lost[name]]
        if withheld:
            said.append("GA4 withheld small rows of this report: some leads are not in it")
        days = f"lead_touches {window.since} to {window.until}"
        for number, reason in enumerate(said):
            yield Rejected(days, number, self.dimension, "", reason, Touchpoint.spec.table)


def leads_of(source: str, dimension: str, events: tuple[str, ...], id_is: str, kind: str) -> Leads:
    """The settings of leads, or what is wrong with them."""
    named = dimension == "transactionId" or dimension.startswith(("customEvent:", "customUser:"))
    known = (
        (named, 'lead_id_dimension must be transactionId or such as "customEvent:lead_id"'),
        (id_is in IDS, f"lead_id_is must be one of {', '.join(IDS)}"),
        (kind in ("session", "form"), "lead_touch must be session or form"),
    )
    for right, problem in known:
        if not right:
            raise SourceMisconfigured(f"Source '{source}': {problem}.")
    return Leads(dimension, events, id_is, kind)


def _known(value: str) -> str | None:
    return None if value in _NOTHING else value


def _minute(text: str, zone: ZoneInfo) -> datetime:
    return datetime.strptime(text, "%Y%m%d%H%M").replace(tzinfo=zone)
