"""What GA4 gives credit for: key events by the source, medium and campaign that it credits.

The dimensions are those of the event, not of its session: GA4 divides an event by the property's
own attribution model, so there are parts of events. A claim stands on the day of the event.
"""

from collections.abc import Iterable, Iterator

from connectors.contract import ClaimedConversions
from connectors.ga4_report import KEY_EVENTS, Key, Query, Report, day_of

TOLD_BY = "ga4"
_NOTHING = {"(not set)", "(data not available)"}


def _known(key: Key) -> Key:
    """A row's key without GA4's words for no campaign: it has several, which are one here."""
    return (*key[:4], *("" if value in _NOTHING else value for value in key[4:]))


CREDITED = Query(
    "key_event_claims",
    ("date", "eventName", "source", "medium", "campaignId", "campaignName"),
    (KEY_EVENTS,),
    group=_known,
)


def claims(reports: Iterable[Report], zone: str) -> Iterator[ClaimedConversions]:
    """A row for each event, day, source, medium and campaign that GA4 credits."""
    for report in reports:
        for key, (events,) in report.rows.items():
            if not events:
                continue
            said, action, source, medium, campaign_id, campaign = key
            yield ClaimedConversions(
                day=day_of(said),
                timezone=zone,
                campaign_id=campaign_id,
                campaign=campaign,
                ad_group_id="",
                network=source,
                medium=medium,
                action=action,
                attribution_window="",
                counted_by="either",
                dated="conversion",
                conversions=events,
                currency=report.currency,
                told_by=TOLD_BY,
            )
