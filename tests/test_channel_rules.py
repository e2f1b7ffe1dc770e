"""Which channel a source, a medium and a campaign are taken for, by the rules that ship."""

import pytest
from warehouse_fixtures import Warehouse, ad, appointment, at, call, contact, message, touch, visits

from attribution.errors import TransformError
from attribution.seeds import SEEDS, read
from attribution.sql_models import load_checks
from attribution.transform import run_checks

DAY = at("2024-05-15 12:00")

TOUCHES = [
    ("google", "cpc", "paid_search"),
    ("bing", "cpc", "paid_search"),
    ("microsoft", "ppc", "paid_search"),
    ("Google", "CPC", "paid_search"),
    ("google", "organic", "organic_search"),
    ("bing", "organic", "organic_search"),
    ("duckduckgo", "referral", "organic_search"),
    ("facebook", "paid_social", "paid_social"),
    ("facebook", "cpc", "paid_social"),
    ("ig", "paid_social", "paid_social"),
    ("instagram", "paid", "paid_social"),
    ("fb", "ads", "paid_social"),
    ("linkedin", "cpc", "paid_social"),
    ("facebook", "social", "organic_social"),
    ("instagram", "social", "organic_social"),
    ("m.facebook.com", "referral", "organic_social"),
    ("l.instagram.com", "referral", "organic_social"),
    ("google", "display", "display"),
    ("criteo", "retargeting", "display"),
    ("youtube", "video", "video"),
    ("youtube", "cpc", "video"),
    ("hulu", "ctv", "video"),
    ("(direct)", "(none)", "direct"),
    ("", "", "direct"),
    ("(not set)", "(not set)", "direct"),
    ("newsletter", "email", "email"),
    ("hs_email", "email", "email"),
    ("mailchimp", "newsletter", "email"),
    ("twilio", "sms", "sms"),
    ("yelp", "referral", "directory"),
    ("yelp.com", "referral", "directory"),
    ("healthgrades", "directory", "directory"),
    ("zocdoc", "cpc", "directory"),
    ("google", "local", "directory"),
    ("radio", "offline_media", "offline_media"),
    ("wkrp", "radio", "offline_media"),
    ("tv", "offline", "offline_media"),
    ("clear channel", "billboard", "offline_media"),
    ("direct_mail", "direct_mail", "direct_mail"),
    ("valpak", "postcard", "direct_mail"),
    ("physician", "referral_physician", "referral_physician"),
    ("epic", "physician_referral", "referral_physician"),
    ("community", "health fair", "event"),
    ("parentsmagazine.example", "referral", "referral_web"),
    ("chatgpt.com", "referral", "referral_web"),
    ("mystery", "carrier pigeon", "unmapped"),
]
HUBSPOT = [
    ("PAID_SEARCH", "paid_search"),
    ("ORGANIC_SEARCH", "organic_search"),
    ("PAID_SOCIAL", "paid_social"),
    ("SOCIAL_MEDIA", "organic_social"),
    ("EMAIL_MARKETING", "email"),
    ("REFERRALS", "referral_web"),
    ("AI_REFERRALS", "referral_web"),
    ("OTHER_CAMPAIGNS", "referral_web"),
    ("DIRECT_TRAFFIC", "direct"),
    ("OFFLINE", "offline_media"),
]
SPEND = [
    ("google", "cpc", "paid_search"),
    ("google", "search", "paid_search"),
    ("google", "shopping", "paid_search"),
    ("google", "performance_max", "paid_search"),
    ("google", "display", "display"),
    ("google", "app", "display"),
    ("google", "video", "video"),
    ("google", "demand_gen", "video"),
    ("microsoft", "cpc", "paid_search"),
    ("microsoft", "performance_max", "paid_search"),
    ("microsoft", "audience", "display"),
    ("meta", "paid_social", "paid_social"),
    ("facebook", "paid_social", "paid_social"),
    ("google", "display", "display"),
    ("youtube", "video", "video"),
    ("healthgrades", "directory", "directory"),
    ("radio", "offline_media", "offline_media"),
    ("direct_mail", "direct_mail", "direct_mail"),
]
# As call trackers name them.
CALLS = [
    ("Google Ads", "PPC", "paid_search"),
    ("Google Ads Call Extension", "", "paid_search"),
    ("Bing Ads", "", "paid_search"),
    ("Google Organic", "organic", "organic_search"),
    ("Google My Business", "organic", "directory"),
    ("Google Business Profile", "", "directory"),
    ("Facebook Ads", "PPC", "paid_social"),
    ("healthgrades.com", "Referral", "directory"),
    ("Billboard", "Offline", "offline_media"),
    ("Direct Mail", "Offline", "direct_mail"),
    ("Direct", "direct", "direct"),
    ("Website Pool", "", "unmapped"),
]
KINDS = [
    ("referral", "referral_physician"),
    ("email_click", "email"),
    ("sms", "sms"),
    ("direct_mail", "direct_mail"),
    ("event", "event"),
    ("call", "call"),
    ("form", "direct"),
]


@pytest.fixture(scope="module")
def mapped():
    """Every example above through one build: kind, source and medium to channel."""
    warehouse = Warehouse()
    rows = [
        touch(f"t{i}", "ann", DAY, f"{source}/{medium}")
        for i, (source, medium, _) in enumerate(TOUCHES)
    ]
    rows += [
        touch(f"k{i}", "ann", DAY, kind=kind, utm_source=None, utm_medium=None)
        for i, (kind, _) in enumerate(KINDS)
    ]
    rows += [contact(f"c{i}", DAY, original_source=source) for i, (source, _) in enumerate(HUBSPOT)]
    rows += [
        ad(f"campaign {i}", DAY, "1", network=network, medium=medium)
        for i, (network, medium, _) in enumerate(SPEND)
    ]
    rows += [call("1", "ann", DAY), call("2", "ann", DAY, utm_source="google", utm_medium="cpc")]
    rows += [
        call(f"x{i}", "ann", DAY, utm_source=source, utm_medium=medium)
        for i, (source, medium, _) in enumerate(CALLS)
    ]
    rows += [
        message(f"m {way}", "ann", "spring", DAY, channel=way)
        for way in ("email", "sms", "direct_mail", "call")
    ]
    rows += [visits("google/cpc", DAY, 3)]
    warehouse.build(*rows)
    found = warehouse.rows("select kind, utm_source, utm_medium, channel from int_channel_map")
    warehouse.close()
    return {(kind, source, medium): channel for kind, source, medium, channel in found}


def tag(text):
    return "" if text in ("(not set)", "(none)") else text.lower()


@pytest.mark.parametrize(("source", "medium", "channel"), TOUCHES)
def test_sessions_by_source_and_medium(mapped, source, medium, channel):
    assert mapped["session", tag(source), tag(medium)] == channel


@pytest.mark.parametrize(("source", "medium", "channel"), CALLS)
def test_calls_by_the_names_of_their_tracker(mapped, source, medium, channel):
    assert mapped["call", source.lower(), medium.lower()] == channel


@pytest.mark.parametrize(("source", "channel"), HUBSPOT)
def test_contacts_by_original_source(mapped, source, channel):
    assert mapped["contact", source.lower(), ""] == channel


@pytest.mark.parametrize(("network", "medium", "channel"), SPEND)
def test_spend_by_network_and_medium(mapped, network, medium, channel):
    assert mapped["ad_spend", network, medium] == channel


@pytest.mark.parametrize(("kind", "channel"), KINDS)
def test_touches_without_tags_by_their_kind(mapped, kind, channel):
    assert mapped[kind, "", ""] == channel


def test_calls_without_a_source_are_calls(mapped):
    assert mapped["call", "", ""] == "call"
    assert mapped["call", "google", "cpc"] == "paid_search"


@pytest.mark.parametrize(
    ("way", "channel"),
    [
        ("email", "outreach_email"),
        ("sms", "outreach_sms"),
        ("direct_mail", "outreach_mail"),
        ("call", "outreach_call"),
    ],
)
def test_messages_by_their_way(mapped, way, channel):
    assert mapped["outreach", "", way] == channel


def test_priorities_are_unique_and_rising():
    rules = read("channel_rules", SEEDS / "channel_rules.csv")
    numbers = [int(priority) for priority in rules["priority"]]
    assert numbers == sorted(set(numbers))


@pytest.fixture
def warehouse():
    opened = Warehouse()
    yield opened
    opened.close()


def test_the_first_rule_that_fits_wins_whatever_its_place_in_the_file(warehouse):
    rules = read("channel_rules")
    rules.loc[len(rules)] = ["5", "", "^google$", "^cpc$", "", "display"]
    warehouse.replace("channel_rules", rules)
    warehouse.build(touch("t", "ann", DAY))
    assert warehouse.rows("select channel from int_channel_map") == [("display",)]


def test_what_no_rule_names_is_shown_with_its_spend(warehouse):
    warehouse.build(
        ad("Blimp", DAY, "250", network="goodyear", medium="blimp"),
        touch("t", "ann", DAY, "goodyear/blimp", utm_campaign="Blimp"),
    )
    assert warehouse.rows(
        "select origin, utm_source, utm_medium, utm_campaign, rows_seen, spend_micros,"
        " cast(first_day as varchar) from unmapped"
    ) == [
        ("ad_spend", "goodyear", "blimp", "Blimp", 1, 250_000_000, "2024-05-15"),
        ("touchpoint", "goodyear", "blimp", "Blimp", 1, 0, "2024-05-15"),
    ]


def test_a_campaign_is_named_as_the_ad_platform_names_it_last(warehouse):
    warehouse.build(
        ad("77", at("2024-05-01"), "1", campaign="Old name"),
        ad("77", at("2024-05-02"), "1", campaign="New name"),
        touch("t1", "ann", DAY, campaign_id="77", utm_campaign="whatever"),
        touch("t2", "ann", DAY, utm_campaign="new NAME"),
        touch("t3", "ann", DAY, utm_campaign="(not set)"),
    )
    names = warehouse.rows("select distinct campaign from int_channel_map order by 1")
    assert names == [("(none)",), ("New name",)]


def test_campaigns_find_their_service_line_and_place(warehouse):
    rules = read("campaign_rules")
    rules.loc[0] = ["10", "smile", "dental", ""]
    warehouse.replace("campaign_rules", rules)
    campaigns = ("ortho_north_nonbrand", "Smile Days", "primary-care south", "northern lights")
    places = [("orthopedics", "north"), ("dental", "south"), ("primary_care", "south")]
    warehouse.build(
        *(ad(name, DAY, "1") for name in campaigns),
        *(
            appointment(f"a{line}", "ann", DAY, DAY, service_line=line, location=place)
            for line, place in places
        ),
    )
    found = warehouse.rows("select campaign, service_line, location from int_campaigns order by 1")
    assert found == [
        ("Smile Days", "dental", "unassigned"),
        ("northern lights", "unassigned", "unassigned"),
        ("ortho_north_nonbrand", "orthopedics", "north"),
        ("primary-care south", "primary_care", "south"),
    ]


def test_a_tag_that_holds_an_address_is_hidden(warehouse):
    """However it is written: in letters of either size, and as an address writes its sign."""
    warehouse.build(
        touch("t", "ann", DAY, "odd/odd", utm_campaign="for ann@example.org"),
        touch("u", "ann", DAY, f"{'0a' * 16}/odd"),
        touch("v", "ann", DAY, f"{'0A' * 16}/{'B1' * 16}"),
        touch("w", "ann", DAY, "ann%40example.org/x", utm_campaign="for ann%40example.org"),
        message("m", "ann", "to ann@example.org", DAY, sent_at=DAY),
    )
    told = "select utm_source, utm_medium, utm_campaign from unmapped order by all"
    assert warehouse.rows(told) == [
        ("(hidden)", "(hidden)", "(none)"),
        ("(hidden)", "odd", "(none)"),
        ("(hidden)", "x", "(hidden)"),
        ("odd", "odd", "(hidden)"),
    ]
    for table in ("engagement", "flow_effects", "int_sent_messages"):
        assert warehouse.rows(f"select distinct flow from {table}") == [("(hidden)",)]


def test_a_place_that_is_called_by_an_address_says_what_to_do(warehouse):
    room = "room12@clinic.example.org"
    warehouse.build(appointment("a", "ann", DAY, DAY, location=room))
    [check] = [each for each in load_checks() if each.name == "no_identifiers_in_marts"]
    with pytest.raises(TransformError, match="where a service line or a place does, map another"):
        run_checks(warehouse.connection, [check])
