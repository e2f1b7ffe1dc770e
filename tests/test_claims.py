"""Claims beside credit: what each cause is, against sums made by hand from the same rows."""

import random
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta

import pytest
from warehouse_fixtures import Warehouse, ad, at, call, contact, made_of, touch

from attribution.models import WEIGHED
from attribution.models.parameters import CreditSettings
from attribution.sql_models import load_checks
from attribution.transform import build, run_checks
from connectors.contract import ClaimedConversions

DAY = timedelta(days=1)
NOON = at("2024-05-15 12:00")  # a Wednesday
WEEK = date(2024, 5, 13)


MODELS = made_of(("claims", "claim_credit", "credit"))
CHECKS = [check for check in load_checks() if check.name.startswith("claims_")]


class Store(Warehouse):
    """A warehouse of claims and credit alone, proved by the checks of claims."""

    def rebuild(self):
        build(self.connection, MODELS)
        run_checks(self.connection, CHECKS)
        return self


@pytest.fixture(scope="module")
def warehouse():
    opened = Store()
    yield opened
    opened.close()


def claim(campaign, when, number, **more):
    """A claim of Meta's for leads by click in seven days, on the day of the click."""
    row = ClaimedConversions(
        when.date(), "UTC", campaign, campaign, "", "meta", "paid_social", "lead", "7d_click",
        "click", "touch", number, "USD",
    )  # fmt: skip
    return replace(row, **more)


def google(campaign, when, number, **more):
    """A claim of Google's, in thirty days, on the day of the conversion."""
    return claim(
        campaign, when, number, network="google", medium="cpc", action="Lead form",
        attribution_window="30 days", dated="conversion", **more,
    )  # fmt: skip


def unnumbered(campaign, number, **more):
    """A claim of a campaign that has a name and no number."""
    return replace(claim(campaign, NOON, number, **more), campaign_id="")


def clicked(key, who, when, tags, campaign):
    return touch(key, who, when, tags, kind="click", utm_campaign=campaign)


def form(key, who, when):
    """An inquiry whose own visit says nothing of where it came from."""
    return touch(key, who, when, "(direct)/(none)", kind="form")


def claims(warehouse, columns, where="true"):
    sums = ", ".join(f"sum({column})" for column in columns.split())
    return warehouse.rows(f"select {sums} from claims where {where}")[0]


def credit(warehouse, model, where="true"):
    (row,) = warehouse.rows(
        "select sum(attributed), sum(other_platforms), sum(other_channels), sum(own_campaigns),"
        f" sum(window_gap), sum(by_effect) from claim_credit where model = '{model}' and {where}"
    )
    return tuple(round(value, 9) + 0.0 for value in row)


META, GOOGLE = "facebook/paid_social", "google/cpc"


def test_campaigns_without_a_number_are_told_apart_by_their_names(warehouse):
    """And of each the longest window counts, whatever another one's is."""
    warehouse.build(
        touch("t", "ann", NOON),
        unnumbered("Knee", 3.0),
        unnumbered("Knee ", 1.0),  # the same, as somebody else writes it
        unnumbered("Hip", 5.0),
        unnumbered("Hip", 2.0, attribution_window="1d_click"),
    )
    assert warehouse.rows(
        "select campaign, sum(claimed), sum(narrower) from claims group by 1 order by 1"
    ) == [("Hip", 5.0, 2.0), ("Knee", 4.0, 0.0)]


def test_a_conversion_that_two_platforms_claim_is_shared_by_what_the_model_says(warehouse):
    warehouse.build(
        clicked("1", "ann", NOON - 3 * DAY, META, "knees"),
        clicked("2", "ann", NOON - 1 * DAY, GOOGLE, "brand"),
        form("3", "ann", NOON),
        claim("knees", NOON - 3 * DAY, 1),
        google("brand", NOON, 1),
    )
    assert claims(warehouse, "claimed clicked clicked_dated any_touch last_touch") == (
        2,
        2,
        2,
        2,
        0,
    )
    assert (*[round(1 / 3, 9)] * 3, 0, 0, 0) == credit(warehouse, "linear", "platform = 'meta'")
    assert credit(warehouse, "last", "platform = 'meta'") == (0, 0, 1, 0, 0, 0)
    assert credit(warehouse, "last_non_direct", "platform = 'google'") == (1, 0, 0, 0, 0, 0)
    assert credit(warehouse, "last_non_direct", "platform = 'meta'") == (0, 1, 0, 0, 0, 0)


def test_a_claim_stands_in_the_week_in_which_the_platform_puts_it(warehouse):
    before = NOON - 6 * DAY
    warehouse.build(
        clicked("1", "ann", before, META, "knees"),
        form("2", "ann", NOON),
        claim("knees", before, 1),
        claim("knees", NOON, 0.5),
    )
    rows = warehouse.rows("select week, clicked, clicked_dated, late from claims order by week")
    assert rows == [(WEEK - 7 * DAY, 0, 1, 0), (WEEK, 1, 0, 0)]


def test_a_platform_that_came_to_date_claims_otherwise_is_taken_as_it_does_now(warehouse):
    before = NOON - 6 * DAY
    old = [claim("knees", NOON - n * DAY, 2) for n in (40, 41)]
    new = [claim("knees", NOON, 2, dated="conversion"), claim("knees", NOON - DAY, 1)]
    clicks = (clicked("1", "ann", before, META, "knees"), form("2", "ann", NOON))
    found = [(WEEK, 1, 1)]
    warehouse.build(*clicks, *old, *new)
    asked = f"select week, clicked, clicked_dated from claims where week >= '{WEEK - 7 * DAY}'"
    assert warehouse.rows(f"{asked} order by 1") == found
    # Leads of Meta's own forms are told once more under a name that says so.
    own = replace(new[0], action="onsite_conversion.lead_grouped", dated="touch")
    warehouse.build(*clicks, *old, new[0], own)
    assert warehouse.rows(f"{asked} order by 1") == [(WEEK - 7 * DAY, 0, 1), (WEEK, 1, 0)]
    # Rows may claim nothing, and say so by a day all the same.
    nought = [claim("knees", NOON - n * DAY, 0, dated="conversion") for n in (0, 1)]
    warehouse.build(*clicks, *old, *nought)
    assert warehouse.rows(f"{asked} order by 1") == found


def test_what_comes_after_the_platform_s_last_day_is_late(warehouse):
    warehouse.build(
        clicked("1", "ann", NOON - DAY, META, "knees"),
        form("2", "ann", NOON),
        claim("knees", NOON - 9 * DAY, 1),
    )
    assert claims(warehouse, "clicked_dated late unclaimed") == (1, 1, 0)
    spent = replace(ad("knees", NOON, "3"), network="meta", medium="paid_social")
    warehouse.load([spent])
    warehouse.rebuild()
    assert claims(warehouse, "clicked_dated late unclaimed") == (1, 0, 0)


def test_a_campaign_for_which_nothing_is_ever_claimed_is_missing(warehouse):
    warehouse.build(
        clicked("1", "ann", NOON - DAY, META, "hips"),
        form("2", "ann", NOON),
        claim("knees", NOON, 1),
    )
    found = warehouse.rows("select campaign, clicked_dated, unclaimed from claims order by 1")
    assert found == [("hips", 1, 1), ("knees", 0, 0)]


def test_views_and_repeats_are_told_apart_and_shorter_windows_counted_once(warehouse):
    pixel = "offsite_conversion.fb_pixel_lead"
    warehouse.build(
        claim("knees", NOON, 4),
        claim("knees", NOON, 3, attribution_window="1d_click"),
        claim("knees", NOON, 2, attribution_window="1d_view", counted_by="view"),
        claim("knees", NOON, 4, action=pixel),
        claim("knees", NOON, 2, action=pixel, attribution_window="1d_view", counted_by="view"),
        claim("knees", NOON, 9, action="page_view"),
    )
    assert claims(warehouse, "claimed repeated viewed narrower", "kind = 'lead'") == (12, 6, 2, 3)
    assert claims(warehouse, "claimed", "kind = ''") == (9,)


def test_an_action_repeats_another_only_where_that_is_loaded(warehouse):
    warehouse.build(claim("knees", NOON, 4, action="offsite_conversion.fb_pixel_lead"))
    assert claims(warehouse, "claimed repeated") == (4, 0)


def test_windows_of_both_sides_are_a_cause_where_they_differ():
    """Of one lead only our journey holds the click, of the other only the platform's window."""
    narrow = Store(CreditSettings(lookback_days={"lead": 10}))
    narrow.build(
        clicked("1", "ann", NOON - 8 * DAY, META, "knees"),
        form("2", "ann", NOON),
        clicked("3", "bob", NOON - 20 * DAY, GOOGLE, "brand"),
        form("4", "bob", NOON),
        claim("knees", NOON, 1),
        google("brand", NOON, 1),
    )
    assert claims(narrow, "clicked any_touch", "platform = 'meta'") == (0, 1)
    assert credit(narrow, "linear", "platform = 'meta'") == (0.5, 0, 0, 0, -0.5, 0)
    assert claims(narrow, "clicked any_touch", "platform = 'google'") == (1, 0)
    assert credit(narrow, "linear", "platform = 'google'") == (0, 0, 0, 0, 1, 0)
    narrow.close()


def test_lost_tracking_is_as_much_as_leads_without_a_touch_would_make_of_it(warehouse):
    """Of four leads one has no touch: each click stands for a third of a click more."""
    people = ("ann", "bob", "cat")
    warehouse.build(
        *(clicked(f"c{who}", who, NOON - DAY, META, "knees") for who in people),
        *(form(f"f{who}", who, NOON) for who in people),
        touch("none", None, NOON, kind="form"),
        claim("knees", NOON, 4),
    )
    assert claims(warehouse, "clicked_dated untracked") == (3, pytest.approx(0.999999, abs=1e-5))


def test_who_asks_again_is_one_lead_to_us_and_several_claims(warehouse):
    """The contact that the CRM makes, and the call back the same day, are the same inquiry."""
    warehouse.build(
        clicked("1", "ann", NOON - 5 * DAY, META, "knees"),
        form("2", "ann", NOON - 4 * DAY),
        contact("ann", NOON - 4 * DAY + timedelta(minutes=1), patient_id="ann"),
        call("same", "ann", NOON - 3.5 * DAY, first_time_caller=False),
        form("again", "ann", NOON - 2 * DAY),
        call("known", "ann", NOON, first_time_caller=False),
        call("missed", "ann", NOON + 1.5 * DAY, answered=False),
        form("after the window", "ann", NOON + 9 * DAY),
        claim("knees", NOON - 5 * DAY, 3),
        claim("knees", NOON + 9 * DAY, 1),
    )
    assert claims(warehouse, "clicked again") == (1, 2)


def test_a_platform_is_known_by_its_campaign_s_number_or_by_its_name_among_visits(warehouse):
    warehouse.build(
        replace(claim("77", NOON, 1), campaign="Knees"),
        touch("1", "ann", NOON - DAY, "some/thing", campaign_id="77"),
        form("2", "ann", NOON),
        clicked("3", "bob", NOON - DAY, "ig/paid_social", ""),
        form("4", "bob", NOON),
        touch("5", "cat", NOON - DAY, "facebook/social"),  # nobody paid for it
        form("6", "cat", NOON),
    )
    assert claims(warehouse, "clicked", "platform = 'meta'") == (2,)


def some_journeys(seed):
    """Forty people who ask, each after up to three clicks: when, and at which tags when."""
    dice = random.Random(seed)
    tags = [(META, "knees"), (META, "hips"), (GOOGLE, "brand"), (GOOGLE, "hearts"),
            ("news/email", "letter")]  # fmt: skip
    people = {}
    for number in range(40):
        asked = NOON - dice.randrange(60) * DAY
        visits = [(asked - dice.uniform(0.1, 45) * DAY, *dice.choice(tags))
                  for _ in range(dice.randrange(4))]  # fmt: skip
        people[f"p{number}"] = (asked, sorted(visits))
    return people


def rows_of(people):
    yield from (form(f"{who}-form", who, asked) for who, (asked, _) in people.items())
    for who, (_, visits) in people.items():
        yield from (clicked(f"{who}-{n}", who, *visit) for n, visit in enumerate(visits))
    yield from (claim("knees", NOON, 3), claim("hips", NOON, 2))
    yield from (google("brand", NOON, 5), google("hearts", NOON, 1))


@pytest.mark.parametrize("seed", range(2))
def test_causes_are_what_a_sum_over_all_journeys_makes_them(warehouse, seed):
    people = some_journeys(seed)
    warehouse.build(*rows_of(people))
    assert_credit_is_that_of_the_campaigns(warehouse)
    for tag, platform, days in ((META, "meta", 7), (GOOGLE, "google", 30)):
        wanted = defaultdict(float)
        for asked, visits in people.values():
            mine = [v for v in visits if v[1] == tag]
            rivals = [v for v in visits if v[1] in (META, GOOGLE) and v[1] != tag]
            steps = len(visits) + 1  # the form is a direct visit
            inside = any(asked - v[0] <= days * DAY for v in mine)
            wanted["attributed"] += len(mine) / steps
            wanted["any"] += bool(mine)
            wanted["clicked"] += inside
            if inside:
                wanted["platforms"] += len(rivals) / steps
                wanted["channels"] += 1 - (len(mine) + len(rivals)) / steps
            else:
                wanted["gap"] -= len(mine) / steps
        said = ("attributed", "platforms", "channels", "campaigns", "gap", "effect")
        found = credit(warehouse, "linear", f"platform = '{platform}'")
        assert dict(zip(said, found, strict=True)) == pytest.approx(
            {name: wanted[name] for name in said}
        )
        found = claims(warehouse, "clicked clicked_dated any_touch", f"platform = '{platform}'")
        assert found == (wanted["clicked"], wanted["clicked"], wanted["any"])


def assert_credit_is_that_of_the_campaigns(warehouse):
    """What each model credits here is what the mart of credit says; forms are all direct visits,
    so a last touch is never a platform's.
    """
    rows = warehouse.rows(
        "select model, channel, campaign, sum(conversions) from credit where kind = 'lead'"
        " and channel in ('paid_search', 'paid_social') group by all having sum(conversions) <> 0"
    )
    said = warehouse.rows(
        "select model, channel, campaign, sum(attributed) from claim_credit"
        " group by all having sum(attributed) <> 0"
    )
    assert {row[:3]: pytest.approx(row[3]) for row in rows} == {row[:3]: row[3] for row in said}
    assert {row[0] for row in said} >= WEIGHED.keys() - {"last"}


@pytest.mark.parametrize(
    ("spent", "euros", "expected"),
    [(("30", "10"), False, (6.0, 2.0)), (("0", "0"), False, (4.0, 4.0)),
     (("30", "10"), True, (4.0, 4.0))],
)  # fmt: skip
def test_a_campaign_that_platforms_share_is_divided_by_what_each_spent(
    warehouse, spent, euros, expected
):
    """Microsoft Ads imports Google's campaigns, so both have a Brand in paid search."""
    own, imported = spent
    of_bing = {"campaign": "Brand", "network": "bing"}
    warehouse.build(
        form("1", "ann", NOON),
        ad("g1", NOON, own, campaign="Brand"),
        ad("b1", NOON, imported, **of_bing, **({"currency": "EUR"} if euros else {})),
        replace(google("g1", NOON, 1), campaign="Brand"),
        replace(google("b1", NOON, 1), **of_bing),
    )
    credited = warehouse.frame("select * from int_incremental where kind = 'lead'")
    warehouse.replace(
        "int_incremental",
        credited.assign(channel="paid_search", campaign="Brand", conversions=8.0),
    )
    build(warehouse.connection, [model for model in MODELS if model.name == "claim_credit"])
    found = warehouse.rows(
        "select platform, sum(attributed), sum(by_effect) from claim_credit"
        " where model = 'incremental' group by 1 order by 1"
    )
    assert found == [
        (name, part, -part) for name, part in zip(("google", "microsoft"), expected, strict=True)
    ]


def test_where_no_platform_claims_anything_there_is_nothing(warehouse):
    warehouse.build(clicked("1", "ann", NOON, META, "knees"), form("2", "ann", NOON))
    assert warehouse.rows("select * from claims") == []
    assert warehouse.rows("select * from claim_credit") == []
