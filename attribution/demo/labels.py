"""What each lever's visits and budgets are called: campaigns, sources and media."""

import numpy as np

from attribution.demo.draws import Ints
from attribution.demo.market import LEVER, LEVERS, LINES, LOCATIONS
from attribution.demo.names import Texts
from attribution.demo.worlds import World

SHORT = ("ortho", "derm", "dental", "primary")
# How a lever's campaigns are named; what is absent from a name, no rule can know.
CAMPAIGN = {
    "brand": "brand_{place}", "nonbrand": "{line}_{place}_nonbrand",
    "paid_social": "{line}_{place}_prospecting", "display": "{line}_retargeting",
    "video": "{place}_video_awareness", "directory": "{line}_{place}_listing",
    "direct_mail": "{place}_newmover_mail", "offline_media": "{place}_radio",
    "referral_web": "{line}_partner_content", "email": "newsletter_{line}",
}  # fmt: skip
BING = {"brand": "bing_brand", "nonbrand": "bing_{line}_nonbrand"}
SOURCE = {
    "brand": ("google", "cpc"), "nonbrand": ("google", "cpc"),
    "paid_social": ("facebook", "paid_social"), "display": ("google", "display"),
    "video": ("youtube", "video"), "directory": ("healthgrades", "directory"),
    "direct_mail": ("direct_mail", "direct_mail"), "offline_media": ("radio", "radio"),
    "referral_web": ("parentsmagazine.example", "referral"),
    "organic_search": ("google", "organic"),
    "organic_social": ("facebook", "social"), "email": ("newsletter", "email"),
    "referral_physician": ("physician", "physician_referral"), "direct": ("(direct)", "(none)"),
}  # fmt: skip
# A second source of the same lever, and the share of its visits.
OTHER_SOURCE = {
    "brand": ("bing", 0.14), "nonbrand": ("bing", 0.14), "organic_search": ("bing", 0.12),
    "paid_social": ("instagram", 0.35), "organic_social": ("instagram", 0.40),
}  # fmt: skip


def campaign_name(lever: str, line: int, place: int, *, bing: bool = False) -> str:
    """The campaign that a lever's visit or budget belongs to, empty where there is none."""
    form = BING[lever] if bing and lever in BING else CAMPAIGN.get(lever, "")
    return form.format(line=SHORT[line], place=LOCATIONS[place])


def other_source(world: World, lever: str, week: Ints, at: Ints) -> Ints:
    """1 where a visit came by the lever's second source (Bing, Instagram), else 0."""
    share = OTHER_SOURCE.get(lever, ("", 0.0))[1]
    return (world.folk.draws.uniform(120, week, at) < share).astype(np.int64)


def campaign_id(name: str) -> str:
    """The platform's number for a campaign: digits, some with a leading zero."""
    number = 0
    for letter in name:
        number = (number * 131 + ord(letter)) % 9_999_999_967
    return f"{number:010d}" if name else ""


def _table(fill: object) -> Texts:
    return np.full((len(LEVERS), len(LINES), len(LOCATIONS), 2), fill, dtype=object)


def campaign_names(lever: Ints, line: Ints, place: Ints, bing: Ints) -> Texts:
    """The same for many rows."""
    table = _table("")
    for number, name in enumerate(LEVERS):
        for one in range(len(LINES)):
            for spot in range(len(LOCATIONS)):
                for other in (0, 1):
                    table[number, one, spot, other] = campaign_name(
                        name, one, spot, bing=bool(other)
                    )
    chosen: Texts = table[lever, line, place, bing]
    return chosen


def sources(lever: Ints, other: Ints) -> tuple[Texts, Texts]:
    """utm_source and utm_medium of many rows."""
    first = np.full((len(LEVERS), 2), None, dtype=object)
    medium = np.full(len(LEVERS), None, dtype=object)
    for name, (source, way) in SOURCE.items():
        first[LEVER[name]] = [source, OTHER_SOURCE.get(name, (source, 0.0))[0]]
        medium[LEVER[name]] = way
    return first[lever, other], medium[lever]
