"""What is wrong with the schedule: whoever must know is told, once, until it is well again."""

import json
import os
from datetime import UTC, datetime, timedelta
from threading import Event

import lived_weeks as weeks
import pytest
from servers.smtp import SmtpServer

from attribution.at_rest import owner_only
from attribution.cli import main
from attribution.errors import StorageError
from attribution.schedule import alerts, delivery, running
from attribution.schedule.alerts import Alerts, Teller
from attribution.schedule.books import Books
from attribution.schedule.delivery import Deliveries, Mail
from attribution.schedule.known import every_plan, forget_unplanned, watch_plans
from attribution.schedule.plans import planned
from attribution.schedule.probing import probes
from attribution.schedule.sending import Sender
from attribution.schedule.standing import standing
from attribution.schedule.week import watch_mail
from attribution.settings import load

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
FILED = '[reports.board]\nreport = "channels"\nformat = "csv"\nfolder = "."\n'
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def lived(home):
    """A home whose refreshes go as `fates` says, one after the other, and then well."""
    faults = weeks.Faults(0, 0, weeks.AUTUMN)
    fates: list[str] = []
    faults.fate = lambda: fates.pop(0) if fates else "well"
    with weeks.SmtpServer() as server:
        lived = weeks.Weeks(home, server, faults)
        lived.fates = fates
        yield lived


def incidents(home, subject):
    with weeks.Books(home) as books:
        return [one for one in books.incidents() if one["subject"] == subject]


def by_hand(lived):
    """The refresh of the schedule that finds another one at work, which then brings all."""
    lived.refreshing("well", set(), 0)
    return 75


@pytest.mark.parametrize("first", ["full", "killed", "busy"])
def test_a_refresh_that_was_missed_is_over_whichever_try_brought_it(lived, first, monkeypatch):
    lived.at([weeks.AUTUMN])
    lived.fates.append(first)
    with monkeypatch.context() as patch:
        if first == "busy":
            patch.setattr(lived, "_refresh", lambda: by_hand(lived))
        lived.at([weeks.AUTUMN + 9 * DAY])
        assert [one["closed_at"] for one in incidents(lived.home, "schedule")] == [None]
    lived.at([weeks.AUTUMN + 9 * DAY + HOUR])
    assert None not in [one["closed_at"] for one in incidents(lived.home, "schedule")]
    # The next one that is missed is told of again.
    lived.at([weeks.AUTUMN + 23 * DAY])
    assert len(incidents(lived.home, "schedule")) == 2
    with weeks.Books(lived.home) as books:
        assert books.incidents(opened=True) == []


def test_what_was_wrong_with_refreshes_ends_where_something_else_does_them(lived):
    lived.at([weeks.AUTUMN])
    lived.fates.append("full")
    lived.at([weeks.AUTUMN + 9 * DAY])
    with weeks.Books(lived.home) as books:
        assert {one["subject"] for one in books.incidents(opened=True)} >= {"refresh", "schedule"}
    lived.config = "[schedule]\nrefresh = false\n"
    settings = weeks.CONFIG.partition("[outreach.smtp]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weeks, "CONFIG", "".join(settings[1:]))
        lived.at([weeks.AUTUMN + 9 * DAY + HOUR])
    with weeks.Books(lived.home) as books:
        left = {one["subject"] for one in books.incidents(opened=True)}
    assert not left & {"refresh", "schedule"}


def look(home, books, now=NOW):
    """What the schedule does with reports at one moment; nothing is published."""
    told = planned(home)
    deliveries = Deliveries(home, Mail(home, demo=True), told.week.zone)
    Sender(home, told.week, every_plan(books, told, now), books, deliveries).look(now)


def test_a_report_that_fails_as_the_process_dies_is_told_of(home, monkeypatch):
    home.config.write_text(FILED)
    with Books(home) as books:
        every_plan(books, planned(home), NOW)
        books.due("board/2026-11-23", "board", NOW - 9 * DAY, NOW)
        with monkeypatch.context() as patch:
            patch.setattr(books, "move", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                look(home, books)
        assert [one["subject"] for one in books.incidents(opened=True)] == ["failed board"]
        look(home, books)
        assert books.send("board/2026-11-23").state == "failed"
        assert len(books.incidents()) == 1


SMTP = """
[outreach.smtp]
host = "127.0.0.1"
port = {port}
security = "none"
sender = "Harbor <reports@harbor.example>"
"""


def told(home):
    """Who was told of the newest incident."""
    with Books(home) as books:
        return json.loads(books.incidents()[0]["told"])


def tell(home, settings, now=NOW):
    with Books(home) as books:
        books.open_incident("refresh", "It failed.", now)
        mail = Mail(home, demo=True)
        Teller(settings, books, mail).tell(now)
        mail.close()


def test_a_mistake_under_outreach_mutes_no_alert(home):
    with SmtpServer() as server:
        home.config.write_text(f"[outreach]\nper_day = 0\n{SMTP.format(port=server.port)}")
        tell(home, Alerts(("ops@harbor.example",)))
        assert told(home) == ["ops@harbor.example"]


def test_one_who_cannot_be_told_keeps_no_other_from_being_told(home, monkeypatch):
    class Opened:
        def notify(self, **_):
            return True

    home.config.write_text(SMTP.format(port=0).replace("sender", "from"))
    monkeypatch.setattr(alerts, "channel", lambda url, _place: Opened() if url == "b" else 1 / 0)
    # The mail server cannot be read, the first address trips its library.
    tell(home, Alerts(("ops@harbor.example",), ("a", "b")))
    assert told(home) == ["url 2"]


def test_who_was_told_is_written_down_before_the_next_is_told(home, monkeypatch):
    class Gone(BaseException):
        pass

    class Opened:
        def notify(self, **_):
            return True

    def channel(url, _place):
        if url == "b":
            raise Gone
        return Opened()

    home.config.write_text("")
    monkeypatch.setattr(alerts, "channel", channel)
    with pytest.raises(Gone):
        tell(home, Alerts((), ("a", "b")))
    assert told(home) == ["url 1"]


def test_the_schedule_says_what_it_tripped_over(home, monkeypatch):
    home.config.write_text("[schedule]\nrefresh = false\n")
    said: list[str] = []

    class Trips:
        def tick(self):
            stop[0].set()
            raise StorageError("caretrace.toml, [outreach] per_day")

    stop = []

    class Stop(Event):
        def __init__(self):
            super().__init__()
            stop.append(self)

    monkeypatch.setattr(running, "Event", Stop)
    monkeypatch.setattr(running, "_runner", lambda *_: Trips())
    running.forever(home, said.append)
    assert any("caretrace.toml, [outreach] per_day" in sentence for sentence in said)


def test_a_folder_that_is_away_stops_nothing_else_and_is_named(home, tmp_path, monkeypatch):
    folder = tmp_path / "share"
    home.config.write_text(FILED.replace('"."', f'"{folder}"'))
    load(home)  # a refresh does
    assert ("report board", False, f"its folder {folder} is no folder that is there.") in [
        *probes(home)
    ]
    key = "board/2026-11-23"
    for each in (key, "board/2026-11-30"):
        file = home.folder / "reports" / each / "board.csv"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"board")
    with Books(home) as books:
        books.due(key, "board", NOW, NOW)
        made = {
            "file_name": "board.csv",
            "told": json.dumps({"deadline_hours": 48, "owner": "ann@harbor.example"}),
        }
        books.begin(key, [("folder", str(folder))], NOW, **made)
        look(home, books)
        (waits,) = books.deliveries(key)
        assert (waits.state, waits.reason) == ("waiting", f"{folder}: No such file or directory")
        (opened,) = books.incidents(opened=True)
        assert (opened["subject"], opened["owner"]) == ("folder board", "ann@harbor.example")
        assert str(folder) in opened["sentence"]
        folder.mkdir(mode=0o750)
        with monkeypatch.context() as full, owner_only():
            full.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "Full")))
            look(home, books, NOW + HOUR)
            assert list(folder.iterdir()) == []
        with owner_only():
            look(home, books, NOW + 3 * HOUR)
        assert books.send(key).state == "sent"
        assert books.incidents(opened=True) == []
        assert {oct(path.stat().st_mode)[-3:] for path in folder.iterdir()} == {"640"}
        # Away for longer than anybody waits, the alert names it.
        books.due("board/2026-11-30", "board", NOW, NOW)
        books.begin("board/2026-11-30", [("folder", str(tmp_path / "no"))], NOW, **made)
        look(home, books)
        look(home, books, NOW + 3 * DAY)
        assert f"{tmp_path / 'no'}: " in books.incidents()[0]["sentence"]
        assert [one["subject"] for one in books.incidents(opened=True)] == ["failed board"]


@pytest.mark.parametrize("may", [True, False])
def test_a_file_is_of_the_group_of_its_folder_where_we_may_give_it(tmp_path, monkeypatch, may):
    """The folder hands its group down by no setgid, so the file begins as the process's."""
    ours = os.getegid()
    others = [4242] if os.geteuid() == 0 else [each for each in os.getgroups() if each != ours]
    folder, file = tmp_path / "share", tmp_path / "share" / "board.csv"
    folder.mkdir()
    os.chown(folder, -1, (others or [ours])[0])
    folder.chmod(0o750)
    file.touch(0o600)
    before = file.stat().st_gid
    if not may:
        refused = PermissionError(1, "Operation not permitted")
        monkeypatch.setattr(os, "chown", lambda *_: (_ for _ in ()).throw(refused))
    delivery._open_as(folder, file)
    assert oct(file.stat().st_mode)[-3:] == "640"
    assert file.stat().st_gid == (folder.stat().st_gid if may else before)


def test_a_plan_of_the_page_that_cannot_be_read_is_told_and_drops_nothing(home):
    home.config.write_text("")
    good = {"report": "channels", "folder": ".", "owner": "ann@harbor.example"}
    with Books(home) as books:
        books.keep_plan("board", good | {"report": "of old"}, "Ada", NOW)
        books.due("board/2026-11-23", "board", NOW, NOW)
        books.open_incident("held board", "It is late.", NOW)
        look(home, books)
        watch_plans(books, planned(home), NOW)
        forget_unplanned(books, every_plan(books, planned(home), NOW), NOW)
        send = books.send("board/2026-11-23")
        assert (send.state, send.reason[:40]) == (
            "held",
            "Its plan cannot be read: report must be ",
        )
        opened = {one["subject"]: one["owner"] for one in books.incidents(opened=True)}
        assert opened == {"held board": "", "plan board": "ann@harbor.example"}
        books.keep_plan("board", good, "Ada", NOW)
        watch_plans(books, planned(home), NOW)
        assert [one["subject"] for one in books.incidents(opened=True)] == ["held board"]


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('"sunday"', '"sonntag"', "[schedule] day must be one of"),
        ("\n[alerts]", "\n[credit]\nposition_ends = 0.9\n\n[alerts]", "[credit]: "),
    ],
)
def test_a_mistake_of_the_settings_is_told_until_it_is_mended(lived, right, wrong, said):
    """Also one that only the refresh would fail of: the schedule looks at all of them."""
    lived.at([weeks.AUTUMN])
    told_before, refreshed = len(lived.server.taken), lived.refreshes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weeks, "CONFIG", weeks.CONFIG.replace(right, wrong))
        lived.at([weeks.AUTUMN + DAY, weeks.AUTUMN + DAY + HOUR])
    assert lived.refreshes == refreshed
    (one,) = incidents(lived.home, "settings")
    assert said in one["sentence"]
    assert json.loads(one["told"]) == ["ops@harbor.example"]
    assert len(lived.server.taken) == told_before + 1
    lived.at([weeks.AUTUMN + DAY + 2 * HOUR])
    assert incidents(lived.home, "settings")[0]["closed_at"] is not None
    subjects = [message["Subject"] for message in lived.server.messages()]
    assert subjects.count("caretrace: the settings have a mistake") == 1
    assert subjects.count("caretrace: over: the settings have a mistake") == 1


def test_a_mistake_that_nothing_starts_with_is_told_where_a_schedule_was_in_use(home, monkeypatch):
    home.config.write_text("[sources.ads]\nkind = 'nothing'\n")
    assert main(["schedule", "--once"]) == 2
    assert not home.ledger.exists()  # where no schedule ever was, none is begun
    assert incidents(home, "settings") == []
    with Books(home) as books:
        books.beat("looked", NOW)
    heard = []

    class Opened:
        def notify(self, *, title, body):
            heard.append((title, body))
            return True

    monkeypatch.setenv(alerts.VARIABLE, "jsons://hooks.example/a")
    monkeypatch.setattr(alerts, "channel", lambda *_: Opened())
    home.config.write_text("[sources")
    assert main(["schedule", "--once"]) == 2
    assert main(["schedule", "--once"]) == 2
    ((title, body),) = heard
    assert title == "caretrace: the settings have a mistake"
    assert "caretrace.toml is not valid TOML" in body


def test_an_alert_that_does_not_reach_somebody_is_shown_until_it_does(home, monkeypatch):
    class Opened:
        def notify(self, **_):
            return taken[0]

    taken = [False]
    monkeypatch.setattr(alerts, "channel", lambda *_: Opened())
    home.config.write_text("")
    whom = Alerts(("ops@harbor.example",), ("jsons://hooks.example/canary",))
    home.current.write_text("1")
    with Books(home) as books:
        books.beat("looked", NOW)
    tell(home, whom)
    found = standing(home, NOW)
    assert not found.well
    assert found.untold == (
        "ops@harbor.example: There is no [outreach.smtp] table, so no e-mail can be sent; "
        "CARETRACE_ALERTS_URLS 1: it did not take it"
    )
    assert any("Alerts did not reach ops@harbor.example" in one for one in found.sentences())
    taken[0] = True
    with SmtpServer() as server:
        home.config.write_text(SMTP.format(port=server.port))
        tell(home, whom, NOW + HOUR)
    with Books(home) as books:
        books.close_incident("refresh", NOW)
    found = standing(home, NOW)
    assert (found.untold, found.well) == ("", True)


def test_the_doctor_says_where_an_owner_cannot_be_told(home):
    home.config.write_text(f'{FILED}owner = "ann@harbor.example"\n')
    assert [said for what, fine, said in probes(home) if what == "reports by e-mail"] == [
        "There is no [outreach.smtp] table, so no e-mail can be sent."
    ]


def test_a_refresh_by_hand_is_no_try_of_the_week(lived):
    """Also where there is only one: what it did not bring is brought after it."""
    only_one = 'time = "02:30"\nretry_minutes = 0'
    slot = weeks.AUTUMN + 7 * DAY + 1.5 * HOUR
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weeks, "CONFIG", weeks.CONFIG.replace('time = "02:30"', only_one, 1))
        lived.at([weeks.AUTUMN])
        with patch.context() as busy:
            busy.setattr(lived, "_refresh", lambda: 75)
            lived.at([slot, slot + 2 * HOUR])
        assert not standing(lived.home, slot + 2 * HOUR).missed
        before = lived.refreshes
        lived.at([slot + 3 * HOUR])
    assert lived.refreshes == before + 1
    assert incidents(lived.home, "schedule") == []


def test_the_mail_server_is_well_again_though_nothing_is_to_be_mailed(home):
    with Books(home) as books:
        books.open_incident("mail", "It does not answer.", NOW)

        def watched():
            mail = Mail(home, demo=True)
            watch_mail(books, mail, NOW)
            mail.close()
            return [one["closed_at"] is not None for one in incidents(home, "mail")]

        home.config.write_text(SMTP.format(port=1))
        assert watched() == [False]
        with SmtpServer() as server:
            home.config.write_text(SMTP.format(port=server.port))
            assert watched() == [True]
