"""Pages run through the shell, keep their filters in the address and trust nothing in it."""

import json
import re
import shutil

import duckdb
import marts_fixture as made_up
import pandas as pd
import pytest
from shell_fixture import FILES, app, opened
from streamlit.testing.v1 import AppTest

from attribution import audit, cli, queries
from attribution.errors import NotAllowed
from attribution.ledger import Ledger
from attribution.paths import PAGES, SHELL, Home
from attribution.roles import AS_ROLE
from attribution.ui import draw_table, frame, watch
from attribution.ui.views import reach

CHOICES = ("selectbox", "multiselect", "button_group", "number_input", "toggle")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture
def open_page(home: Home, monkeypatch: pytest.MonkeyPatch):
    """Open one page as a reader would: `open_page("channels", model="last")`."""
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    return opened


@pytest.fixture(scope="module")
def looked_at() -> dict[str, AppTest]:
    """Pages that were opened with all that the data hold, to look at and to leave as they are."""
    return {}


@pytest.fixture(params=FILES)
def whole_page(request, open_page, looked_at) -> AppTest:
    """Each page with all that the data hold."""
    if request.param not in looked_at:
        looked_at[request.param] = open_page(request.param, period="all")
    return looked_at[request.param]


def test_pages_live_one_folder_down():
    """A file right in pages/ can be run alone by Streamlit, without the shell."""
    assert not list(PAGES.glob("*.py"))
    assert not (SHELL.parent / "pages").exists()
    assert {f"{p.relative_to(PAGES)}" for p in PAGES.rglob("*.py")} == set(FILES.values())


def test_what_a_viewer_opens_is_read_from_the_marts_of_viewers(tmp_path, monkeypatch):
    """Sections that open on demand too; only how far the data reach is the same for everybody."""
    home = made_up.make_home(tmp_path / "home")  # of which nothing is in a cache yet
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    monkeypatch.setenv(AS_ROLE, "viewer")
    asked: list[str] = []
    ask = queries.Marts.ask

    def noted(marts, statement):
        if not marts.protected:
            asked.append(str(statement))
        return ask(marts, statement)

    monkeypatch.setattr(queries.Marts, "ask", noted)
    unfolded: set[str] = set()
    told: set[str] = set()
    at = app().run()
    for page in FILES.keys() - {"data-health", "reports", "patient-journey", "research"}:
        for section in ("why_open", "reach_open"):
            at.query_params[section] = "true"
        at.switch_page(str(PAGES / FILES[page])).run()
        assert not at.exception, at.exception
        unfolded |= {each.label for each in at.expander}
        told |= {each.value.replace("\\", "") for each in at.info}
    same = ("FROM coverage", "FROM information_schema")  # days and columns, no people
    assert [each for each in asked if not any(part in each for part in same)] == []
    assert reach.QUESTION in unfolded
    assert reach.PROTECTED in told


def test_a_page_without_the_shell_shows_nothing():
    frame.enter(None)
    with pytest.raises(NotAllowed):
        frame.context()
    alone = app(PAGES / FILES["channels"]).run()
    assert alone.exception
    assert not alone.metric
    assert not alone.dataframe


def test_every_page_opens_with_its_question_and_its_freshness(whole_page):
    at = whole_page
    assert at.title[0].value
    assert at.markdown[0].value.endswith("last refresh failed]") or "meta" in at.markdown[0].value
    nodes = list(at.main)
    asked = [
        place
        for place, each in enumerate(nodes)
        if each.type == "markdown" and each.value.startswith("**") and "?" in each.value
    ]
    assert asked
    # Before any choice, so that it can be read what the choices are for.
    assert not [each.type for each in nodes[: asked[0]] if each.type in CHOICES]
    # Whoever goes from heading to heading misses no level.
    assert not at.subheader
    assert not [each.value for each in at.markdown if each.value.startswith("#")]


def test_names_from_data_are_never_markup(whole_page):
    at = whole_page
    for sink in (at.markdown, at.caption, at.info, at.warning, at.error):
        for each in sink:
            assert "![x](" not in each.value
            assert "<script>" not in each.value


def test_the_address_chooses_what_is_shown(open_page):
    at = open_page("channels", period="4w", model="last", kind="lead", service=["cardiology"])
    assert at.selectbox(key="period").value == "4w"
    assert at.selectbox(key="model").value == "last"
    assert at.selectbox(key="kind").value == "lead"
    assert at.multiselect(key="service").value == ["cardiology"]
    assert any("Last touch" in each.value for each in at.caption)
    assert any("4 weeks" in each.value for each in at.sidebar.caption)


def test_a_choice_goes_into_the_address_and_stays_on_the_next_page(open_page):
    at = open_page("channels")
    at.selectbox(key="period").select("26w")
    at.selectbox(key="model").select("first")
    at.multiselect(key="location").select("North").run()
    assert at.query_params["period"] == "26w"
    assert at.query_params["model"] == "first"
    assert at.query_params["location"] == "North"
    at.switch_page(str(PAGES / FILES["reactivation"])).run()
    assert at.selectbox(key="period").value == "26w"
    at.switch_page(str(PAGES / FILES["channels"])).run()
    assert at.selectbox(key="model").value == "first"
    assert at.multiselect(key="location").value == ["North"]


def test_a_step_back_in_the_browser_is_followed(open_page):
    at = open_page("overview", period="4w")
    at.selectbox(key="period").select("52w").run()
    assert at.query_params["period"] == "52w"
    at.query_params["period"] = "4w"
    at.run()
    assert at.selectbox(key="period").value == "4w"


def test_the_usual_choices_leave_the_address_bare(open_page):
    at = open_page("channels", period="13w", model="position", kind="booked")
    assert dict(at.query_params) == {}


def test_a_plan_is_saved_and_set_beside_others(open_page):
    at = open_page("budget")
    at.multiselect(key="plan_locked").select("video")
    at.text_input(key="plan_name").input("Video stays")
    next(each for each in at.button if each.label == "Save").click().run()
    assert not at.exception
    assert at.multiselect(key="plan_compared").value == ["Video stays"]
    plan, saved, money = (each.value for each in at.dataframe)
    assert saved["name"].tolist() == ["Video stays"]
    video = plan.set_index("channel").loc["Video"]
    assert video["spend_suggested"] == pytest.approx(video["spend_now"])
    assert money.set_index("channel").loc["Video", "scenario_0"] == video["spend_suggested"]


def test_custom_weeks_come_from_the_address(open_page):
    at = open_page("overview", **{"period": "custom", "from": "2026-10-07", "to": "2026-10-20"})
    assert any("5 Oct – 25 Oct 2026 (3 weeks)" in each.value for each in at.sidebar.caption)


HOSTILE = [
    "'; drop table spend;--",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "\x00",
    "9" * 999,
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: value[:8])
def test_a_hostile_address_shows_the_defaults(open_page, value):
    keys = ("period", "model", "kind", "service", "location", "from", "to", "channel")
    at = open_page("channels", **dict.fromkeys(keys, value))
    usual = open_page("channels")
    assert [each.value for each in at.metric] == [each.value for each in usual.metric]


def test_a_channel_opens_into_its_campaigns(open_page):
    at = open_page("channels", channel="Paid search")
    tables = [each.value for each in at.dataframe]
    assert any(
        set(table.get("campaign", ())) == {"Brand", "Hip and knee", "Find a doctor"}
        for table in tables
    )


def test_columns_that_would_not_fit_are_shown_on_demand(open_page):
    at = open_page("channels")
    main = list(at.dataframe[0].value.columns)
    assert {"spend", "booked", "roi"} < set(main)
    at.toggle(key="all_table_channels").set_value(True).run()
    every = list(at.dataframe[0].value.columns)
    assert set(every) - set(main) == {"sessions", "cpl", "credit_low", "credit_high"}
    assert [name for name in every if name in main] == main


def test_numbers_below_nought_have_a_minus_in_tables():
    rows = pd.DataFrame({"a": [-0.6, 2.4], "b": [-1234.5, 10.0], "c": [-4.1, 4.1], "d": [-2.5, 3]})
    formats = {"a": "ratio", "b": "money", "c": "points", "d": "rate"}
    drawn = draw_table._signed(rows, formats, "USD").to_html()
    cells = re.findall(r">([^<>]+)</td>", drawn)
    assert cells == ["−0.6x", "−$1,234", "−4.1 pts", "−2.5%", "2.4x", "$10", "+4.1 pts", "3.0%"]


def test_a_platform_opens_into_its_campaigns(open_page):
    at = open_page("reconcile", platform="Meta")
    assert any("so this page is about leads" in each.value for each in at.caption)
    tables = [each.value for each in at.dataframe]
    assert any("Heart month" in set(table.get("campaign", ())) for table in tables)
    assert any("From claimed to credited leads" in each.value for each in at.markdown)


def test_numbers_are_headline_numbers(open_page):
    at = open_page("overview")
    assert [each.label for each in at.metric][:2] == ["Spend", "Leads"]
    assert at.metric[0].value.startswith("$")
    assert all(each.help for each in at.metric)


def test_nothing_published_says_which_command_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("CARETRACE_HOME", str(tmp_path))
    at = app().run()
    assert not at.exception
    assert "caretrace refresh" in at.info[0].value
    assert not at.get("page_link")  # to definitions, which are not shown yet either
    # What a first refresh does, and why it failed, is told on its page.
    with Ledger(Home(tmp_path)) as books:
        books.start(["load emr"])
    at.switch_page(str(PAGES / FILES["data-health"])).run()
    assert not at.exception
    assert at.dataframe[0].value["name"].tolist() == ["load emr"]


def test_a_page_that_had_nothing_to_show_is_drawn_once_there_is_something(home, monkeypatch):
    drawn: list[bool] = []
    monkeypatch.setattr(watch.st, "rerun", lambda: drawn.append(True))
    watch._published(Home(home.folder / "empty"))
    assert not drawn
    watch._published(home)
    assert drawn


def test_ranks_are_those_of_the_model_that_is_chosen(open_page):
    at = open_page("attribution", model="linear")
    assert any("Under Linear" in each.value for each in at.caption)
    assert not at.exception


def test_figures_are_small_specs_in_theme_colours(open_page):
    at = open_page("channels")
    figures = at.get("plotly_chart")
    assert figures
    for each in figures:
        assert len(each.proto.spec) < 12_000
        assert each.proto.alt
        bars_or_dots = json.loads(each.proto.spec)["data"][-1]
        # Placeholders of the theme's nine colours; the browser puts the palette in their place.
        assert set(bars_or_dots["marker"]["color"]) <= {f"#{slot:06d}" for slot in range(1, 10)}


def test_research_makes_an_export_for_a_reason_and_offers_it_for_that_question_alone(
    open_page, home
):
    page = open_page("research")
    page.button(key="research_make").click().run()
    assert any("Say what the data are for" in each.value for each in page.warning)
    page.text_input(key="research_reason").set_value("a study of the page")
    page.multiselect(key="research_dropped").select("paid")
    page.button(key="research_make").click().run()
    assert not page.exception, page.exception
    assert any("k 1" in each.value for each in page.success)
    assert page.get("download_button")
    actions = audit.entries(home).set_index("action")["detail"]
    assert audit.PEOPLE_SEEN in actions.index
    assert json.loads(actions[audit.RESEARCH_EXPORTED])["reason"] == "a study of the page"
    page.slider(key="research_years").set_value((2026, 2026)).run()
    assert not page.exception, page.exception
    assert not page.get("download_button")


def test_a_cohort_is_chosen_by_the_address_and_set_beside_a_second_one(open_page):
    at = open_page("cohorts", lapse=["Lapsed"], condition="Asthma")
    assert at.multiselect(key="lapse").value == ["lapsed"]
    assert any("condition Asthma and lapse Lapsed" in each.value for each in at.caption)
    assert at.metric[0].label == "Patients"
    assert all(each.help for each in at.metric)
    at = open_page("cohorts", against="Second cohort", second_age=["75+"], line=["<script>"])
    assert at.multiselect(key="line").value == []
    assert any(
        "All patients: 3,000 patients" in each.value.replace("\\", "") for each in at.caption
    )
    assert any("patients with age 75+" in each.value.replace("\\", "") for each in at.caption)


def test_before_the_first_weeks_are_over_viewers_are_told_when_they_are(
    home, tmp_path, monkeypatch, capsys
):
    copy = Home(shutil.copytree(home.folder, tmp_path / "home"))
    with duckdb.connect(str(copy.generation(1) / "viewers.duckdb")) as database:
        database.execute("insert into about values ('told_after', '2026-12-20')")
    monkeypatch.setenv("CARETRACE_HOME", str(copy.folder))
    assert cli.main(["export", "channels"]) == 2
    assert "first are over after 20 Dec 2026" in capsys.readouterr().err
    monkeypatch.setenv(AS_ROLE, "viewer")
    at = app()
    at.switch_page(str(PAGES / FILES["channels"])).run()
    assert not at.exception, at.exception
    assert "first are over after 20 Dec 2026" in at.info[0].value
    assert not at.metric


def test_the_day_that_counts_is_for_those_who_see_small_cells(open_page, monkeypatch):
    monkeypatch.setenv(AS_ROLE, "viewer")
    at = open_page("channels", basis="touch")
    assert "basis" not in [each.key for each in at.selectbox]
    assert any("Counted by the day it happened" in each.value for each in at.caption)
