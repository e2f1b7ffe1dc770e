"""Plans of reports: what may stand in one, and what becomes of it when it is changed."""

from datetime import UTC, datetime, timedelta

import pytest

from attribution.cli import main
from attribution.errors import BadInput, SettingsError
from attribution.roles import Reader
from attribution.schedule.books import Books
from attribution.schedule.delivery import Deliveries, Mail
from attribution.schedule.known import every_plan
from attribution.schedule.managing import Manager
from attribution.schedule.plans import planned
from attribution.schedule.sending import Sender

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)  # a Friday
ADMIN = Reader("Ada", frozenset({"admin"}))
TABLE = {"report": "channels", "format": "csv", "folder": "."}
CONFIG = '[reports.board]\nreport = "channels"\nfolder = "."\n'


@pytest.fixture
def manager(home):
    home.config.write_text("")
    return Manager(home, ADMIN, lambda: NOW)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('filters = { period = "8w" }', "filters.period must be one of 4w, 13w"),
        ('filters = { model = "markow" }', "did you mean markov?"),
        ('filters = { kind = "bookd" }', "did you mean booked?"),
        ('filters = { perod = "13w" }', "filters.perod is no filter of this report; did you mean"),
        ("filters = { from = 2026-01-05 }", "filters.from needs period = 'custom'"),
        ('filters = { period = "4w", to = 2026-01-05 }', "filters.to needs period = 'custom'"),
        ('filters = { period = "custom", to = "Monday" }', "filters.to must be a day"),
        ('filters = { period = "custom", to = 2026-01-05T07:00:00 }', "filters.to must be a day"),
        (
            "max_age_days = { survey = 31 }",
            "max_age_days.survey is no source; did you mean surveys",
        ),
    ],
)
def test_a_value_that_a_report_would_not_hear_is_refused(home, setting, said):
    sources = "[sources.surveys]\nkind = 'files'\n"
    home.config.write_text(f"{CONFIG}{setting}\n{sources}")
    with pytest.raises(SettingsError) as refused:
        planned(home)
    assert said in str(refused.value)
    right = (
        'filters = { period = "custom", from = 2026-01-05, to = "2026-03-29", model = "markov" }'
    )
    home.config.write_text(f"{CONFIG}{right}\nmax_age_days = {{ surveys = 31 }}\n{sources}")
    assert planned(home).plans[0].filters["model"] == "markov"


def test_a_value_that_a_report_would_not_hear_is_refused_on_the_page(manager):
    with pytest.raises(BadInput, match=r"^Filters\.model must be .*; did you mean markov\?$"):
        manager.save("board", TABLE | {"filters": {"model": "markow"}})
    assert manager.known() == {}


def due(home, now):
    """What a look at a moment finds due, of all that was ever."""
    told = planned(home)
    with Books(home) as books:
        plans = every_plan(books, told, now)
        deliveries = Deliveries(home, Mail(home, demo=True), told.week.zone)
        Sender(home, told.week, plans, books, deliveries).look(now)
        return sorted(books.history()["key"])


WEEK, HOUR = timedelta(weeks=1), timedelta(hours=1)


@pytest.mark.parametrize("change", ['day = "thursday"', 'day = "26"'])
def test_a_plan_of_the_file_that_is_changed_is_due_from_then_on(home, change):
    home.config.write_text(CONFIG)
    assert due(home, NOW) == []
    assert due(home, NOW + WEEK) == ["board/2026-11-30"]
    home.config.write_text(f"{CONFIG}{change}\n")  # which was yesterday
    assert due(home, NOW + WEEK + HOUR) == ["board/2026-11-30"]
    assert due(home, NOW + 5 * WEEK)[-1] in ("board/2026-12-31", "board/2026-12-26")


def test_a_plan_of_the_file_that_is_put_back_is_due_from_then_on(home):
    home.config.write_text(CONFIG)
    assert due(home, NOW) == []
    home.config.write_text("")
    assert due(home, NOW + HOUR) == []
    home.config.write_text(CONFIG)
    assert due(home, NOW + 4 * WEEK) == []
    assert due(home, NOW + 5 * WEEK) == ["board/2026-12-28"]


def test_a_plan_of_the_page_that_is_changed_is_due_from_then_on(home, manager):
    manager.save("board", TABLE)
    assert due(home, NOW + WEEK) == ["board/2026-11-30"]
    later = Manager(home, ADMIN, lambda: NOW + WEEK + HOUR)
    later.save("board", TABLE | {"format": "xlsx"}, change=True)
    assert later.known()["board"][1] == NOW  # other files, at the same times
    later.save("board", TABLE | {"day": "thursday"}, change=True)
    assert due(home, NOW + WEEK + HOUR) == ["board/2026-11-30"]
    assert due(home, NOW + 2 * WEEK) == ["board/2026-11-30", "board/2026-12-10"]


def test_a_new_plan_takes_no_name_of_another(manager):
    manager.save("board", TABLE)
    with pytest.raises(BadInput, match="There is a report board already"):
        manager.save("board", TABLE | {"format": "xlsx"})
    assert manager.known()["board"][0].format == "csv"
    manager.save("board", TABLE | {"format": "xlsx"}, change=True)
    assert manager.known()["board"][0].format == "xlsx"


def test_the_unit_may_write_the_folders_of_the_page_too(home, manager, tmp_path, capfd):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    home.config.write_text(CONFIG.replace('"."', f'"{tmp_path / "one"}"'))
    manager.save("page", TABLE | {"folder": str(tmp_path / "two")})
    assert main(["schedule", "--print", "systemd"]) == 0
    # One that is away does not keep it from starting.
    paths = f'ReadWritePaths="{home.folder}" "-{tmp_path / "one"}" "-{tmp_path / "two"}"\n'
    assert paths in capfd.readouterr().out


@pytest.mark.parametrize("to", [{"owner": "a@b.example"}, {"recipients": ["a@b.example"]}])
def test_a_plan_of_the_page_that_mails_somebody_needs_a_mail_server(home, manager, to):
    with pytest.raises(BadInput, match=r"needs? a mail server"):
        manager.save("board", TABLE | to)
    home.config.write_text('[outreach.smtp]\nhost = "127.0.0.1"\nsender = "x@b.example"\n')
    assert manager.save("board", TABLE | to).name == "board"
