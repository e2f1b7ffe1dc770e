"""Rows of what was advertised: what it cost, what platforms claim, visits, clicks and codes."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated

from connectors.contract.marks import AdClickId, Amount, MaybeAmount, OneOf, Row, Spec


@dataclass(frozen=True, slots=True)
class AdSpend(Row):
    """What one ad group of one campaign cost and got on one day."""

    spec = Spec("ad_spend", ("campaign_id", "ad_group_id", "day"), load="window", day="day")

    day: date
    timezone: str
    campaign_id: str
    campaign: str
    ad_group_id: str  # "" where the source has no such level
    ad_group: str
    network: str  # google, meta, microsoft, radio ...: becomes utm_source for the channel rules
    medium: str  # cpc, paid_social, display ...: becomes utm_medium for the channel rules
    currency: str
    spend: Amount
    impressions: int = 0
    clicks: int = 0
    claimed_conversions: float | None = None
    claimed_value: MaybeAmount = None
    service_line: str | None = None  # what it was spent for, where the source says so
    location: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimedConversions(Row):
    """What an ad platform claims for one day: never mixed with what we observe or credit.

    `action` and `window` are in the platform's words. Of one campaign's rows only those with
    different actions and windows may be added up, and only where the platform does not count one
    conversion under several. Web analytics that give key events to sources make such claims too.
    """

    spec = Spec(
        "claimed_conversions",
        (
            *("campaign_id", "ad_group_id", "day", "action", "attribution_window", "counted_by"),
            *("network", "medium", "campaign", "told_by"),
        ),
        load="window",
        day="day",
    )

    day: date
    timezone: str
    campaign_id: str
    campaign: str
    ad_group_id: str  # "" where the source has no such level
    network: str  # as in AdSpend
    medium: str
    action: str  # lead, offsite_conversion.fb_pixel_lead, "Booking form" ...
    attribution_window: str  # 7d_click, 1d_view, 30 days ...; "" where the platform does not say
    counted_by: Annotated[
        str, OneOf(("click", "view", "either"))
    ]  # which kind of contact it counts
    dated: Annotated[str, OneOf(("touch", "conversion"))]  # what its day is the day of
    conversions: float
    currency: str
    value: MaybeAmount = None
    share_after_7_days: float | None = None  # that came later after the touch, where told
    share_after_30_days: float | None = None
    told_by: str = ""  # who counts, where it is not the platform itself: ga4


@dataclass(frozen=True, slots=True)
class WebSessions(Row):
    """Visits to the web site on one day from one source, medium and campaign."""

    spec = Spec(
        "web_sessions",
        ("day", "utm_source", "utm_medium", "campaign_id", "utm_campaign", "landing_group"),
        load="window",
        day="day",
    )

    day: date
    timezone: str
    utm_source: str
    utm_medium: str
    campaign_id: str
    utm_campaign: str
    landing_group: str
    sessions: int
    engaged_sessions: int
    key_events: float
    sampled_share: float | None = None  # share of sessions that were read, 1 or None: all of them
    thresholded: bool = False  # rows may have been withheld for privacy
    other_row: bool = False  # the API folded rows into "(other)"


@dataclass(frozen=True, slots=True)
class TrackingCode(Row):
    """A phone number or a code that a campaign was given: who uses it came by the campaign.

    The number is the organisation's own and points at nobody, so it stays in clear. It is the
    campaign's from `valid_from` to `valid_until`, or until another campaign is given it.
    """

    spec = Spec(
        "tracking_code",
        ("kind", "code", "campaign_id", "valid_from"),
        load="window",
        day="valid_from",
    )

    kind: Annotated[str, OneOf(("number", "code"))]
    code: str  # a number as +15035550142, a code in lower case
    valid_from: date
    campaign_id: str  # as in AdSpend
    campaign: str
    network: str
    medium: str
    valid_until: date | None = None
    service_line: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class AdClick(Row):
    """Which campaign a click was of, as its platform tells by the click's id.

    It knows the day of a click but not its time, nor whose it was, so it is no touch: touches and
    calls that carry the id are told their campaign by it. `day` is the platform's own.
    """

    spec = Spec("ad_click", ("click_id",), load="window", day="day")

    click_id: AdClickId
    day: date
    campaign_id: str
    campaign: str
    ad_group_id: str  # "" where the campaign has none
    ad_group: str
    network: str  # as in AdSpend
    medium: str
