"""What is sent: real reports by a real mail server, alerts by Apprise, and who may do what."""

import json
import logging
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256

import marts_fixture as made_up
import pytest
from servers.loopback import Loopback, Reply
from servers.smtp import SmtpServer
from shell_fixture import app

from attribution import amount_queries, audit
from attribution.cli import main
from attribution.errors import BadInput, Busy, NotAllowed, SettingsError
from attribution.ledger import Ledger
from attribution.paths import PAGES
from attribution.reports.catalog import Rendered, render
from attribution.roles import Reader
from attribution.schedule import alerts as alerting
from attribution.schedule import facts, managing
from attribution.schedule.alerts import Alerts, Teller, channel
from attribution.schedule.books import Books
from attribution.schedule.checking import wrong_with
from attribution.schedule.delivery import Deliveries, Mail
from attribution.schedule.known import every_plan, forget_unplanned
from attribution.schedule.managing import Manager
from attribution.schedule.plans import planned
from attribution.schedule.probing import probes
from attribution.schedule.pruning import prune
from attribution.schedule.sending import Sender, file_of, only_sender, send_key
from attribution.ui import access, draw_reports, frame

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
ADMIN = Reader("Ada", frozenset({"admin"}))
TOKEN = "canary-token-55cc"
TO = ["cmo@harbor.example", "ceo@harbor.example"]
TABLE = {"report": "channels", "format": "csv", "recipients": TO, "filters": {"period": "13w"}}


class Hook(Loopback):
    """A webhook that takes what it is told."""

    def answer(self, _request):
        return Reply(200, b"{}")


@pytest.fixture(scope="module")
def hook():
    with Hook() as server:
        yield server


def mail_config(server):
    return (
        f'demo = true\n[outreach.smtp]\nhost = "127.0.0.1"\nport = {server.port}\n'
        'security = "none"\nsender = "Harbor <reports@harbor.example>"\n'
    )


@pytest.fixture
def server(home):
    """A mail server that the home folder's settings name."""
    with SmtpServer() as server:
        home.config.write_text(mail_config(server))
        yield server


@pytest.fixture
def published(home, server, monkeypatch):
    """And a published generation, whose marts are plausible and do not add up."""
    config = home.config.read_text()
    made_up.make_home(home.folder)
    home.config.write_text(config)
    monkeypatch.setattr("attribution.schedule.checking._unequal", lambda *_: "")
    return home


def told(_home, generation, report, fmt, *, banner="", **_):
    """A report for tests of all that happens to one after it is made."""
    content = f"{report} of generation {generation}".encode()
    digest = sha256(content).hexdigest()
    manifest = {"title": "Report", "generation": generation, "sha256": digest, "format": fmt}
    manifest |= {"rows": {"rows": 1}, "banner": banner, "freshness": "-"}
    return Rendered(f"{report}.{fmt}", content, digest, manifest)


@pytest.fixture
def manager(home, server, monkeypatch):
    """An administrator of reports that are quickly made."""
    if not home.current.is_file():
        home.current.write_text("1")
        monkeypatch.setattr(facts, "_fits", lambda *_: True)
        monkeypatch.setattr(managing, "Sender", partial(Sender, render=told))
    return Manager(home, ADMIN, lambda: NOW)


def test_reports_of_two_plans_share_a_folder_and_no_name(home, server, manager, tmp_path):
    for name in ("report", "linear"):
        manager.save(name, TABLE | {"recipients": [], "folder": str(tmp_path)})
        assert manager.send_now(name).state == "sent"
    # Both files are called channels.csv.
    files = sorted(path.name for path in tmp_path.glob("*.csv"))
    assert files == ["linear-channels.csv", "report-channels.csv"]
    assert len(list(tmp_path.glob("*.manifest.json"))) == 2


def test_what_a_clock_that_ran_ahead_took_for_due_keeps_no_report(home, server, manager):
    """Else nothing would be sent until that day, or for that day, and nobody be told."""
    manager.save("board", TABLE)
    week = planned(home).week
    with Books(home) as books:
        plans = every_plan(books, planned(home), NOW)
        slot = plans["board"][0].slots(week.zone).next(NOW)
        key = send_key("board", slot, week.zone)
        for due in (slot, NOW + timedelta(days=3652)):
            books.due(send_key("board", due, week.zone), "board", due, due)
        books.move(key, "skipped", slot, reason="A later one took its place.")
        mail = Mail(home, demo=False)
        sender = Sender(home, week, plans, books, Deliveries(home, mail, week.zone), render=told)
        sender.look(NOW)
        sender.look(slot)
        mail.close()
        states = books.history().set_index("key")["state"].to_dict()
    assert states.keys() == {key}
    assert set(states.values()) <= {"held", "sent"}


@pytest.mark.parametrize("ended", ["sent", "failed"])
@pytest.mark.parametrize("times", [1, 2])
def test_what_a_clock_that_ran_ahead_has_sent_is_sent_again_on_its_day(
    home, server, manager, ended, times
):
    manager.save("board", TABLE)
    week = planned(home).week
    with Books(home) as books:
        plans = every_plan(books, planned(home), NOW)
        plan = plans["board"][0]
        slot = plan.slots(week.zone).next(NOW)
        keys = [send_key("board", slot, week.zone)]
        mail = Mail(home, demo=False)
        sender = Sender(home, week, plans, books, Deliveries(home, mail, week.zone), render=told)
        for _ in range(times):
            books.due(keys[-1], "board", slot, slot)
            books.move(keys[-1], ended, slot)
            sender.look(NOW)
            keys.append(f"{keys[-1]}-again")
        assert books.history()["state"].tolist() == [ended] * times
        assert server.taken == []
        for later in (timedelta(0), timedelta(minutes=1), plan.deadline):
            sender.look(slot + later)
        mail.close()
        states = books.history().set_index("key")["state"].to_dict()
    assert states == dict.fromkeys(keys[:-1], ended) | {keys[-1]: "sent"}
    assert sorted(to for to, _ in server.taken) == sorted(TO)


def test_what_went_wrong_with_a_report_ends_with_its_plan(home, server, manager):
    manager.save("board", TABLE)
    with Books(home) as books:
        for subject in ("held board", "failed board", "failed gone", "held waits", "mail"):
            books.open_incident(subject, "It is late.", NOW)
        books.due("waits/2026-11-23", "waits", NOW, NOW)
        forget_unplanned(books, manager.known(), NOW)
        left = {one["subject"] for one in books.incidents(opened=True)}
    assert left == {"held board", "failed board", "held waits", "mail"}


def test_files_go_after_their_time_and_the_books_stay(home, server, manager):
    manager.save("board", TABLE)
    sent = manager.send_now("board")
    assert (sent.state, manager.sent(sent.key)[1][:5]) == ("sent", b"chann")
    later = NOW + timedelta(days=40)
    with Books(home) as books:
        # One that waits and one that is being sent keep theirs, however old.
        books.due("board/2020-01-06", "board", NOW, NOW - timedelta(days=999))
        waits = file_of(home, "board/2020-01-06", "board.csv")
        waits.parent.mkdir(parents=True)
        waits.write_bytes(b"waits")
        assert prune(home, books, 0, later) == 0  # for ever
        assert prune(home, books, 41, later) == 0
        assert manager.history()["file"].tolist() == ["kept", ""]
        assert prune(home, books, 39, later) == 1
        assert prune(home, books, 39, later) == 0
    assert waits.read_bytes() == b"waits"
    gone = manager.history().set_index("key").loc[sent.key]
    assert (gone["file"], gone["state"], gone["sha256"]) == ("removed", "sent", sent.sha256)
    assert json.loads(gone["manifest"])["generation"] == 1
    with pytest.raises(BadInput, match=f"is removed.*{sent.sha256}"):
        manager.sent(sent.key)
    # The schedule does it, by the setting, which has a year as its default.
    assert planned(home).week.keep_files_days == 366
    home.config.write_text(home.config.read_text() + "[schedule]\nkeep_files_days = -1\n")
    with pytest.raises(SettingsError, match="keep_files_days must be from 0"):
        planned(home)


def test_who_takes_a_sent_file_away_is_written_down(home, server, manager):
    manager.save("board", TABLE)
    sent = manager.send_now("board")
    context = frame.Context(home, 1, None, None, access.VISITOR)
    take = draw_reports.handed(context, sent.key)
    content = take()
    entry = audit.entries(home).iloc[-1]
    assert (entry["action"], entry["subject"]) == (audit.EXPORTED, "sent report board")
    assert entry["actor"] == access.VISITOR.name
    detail = json.loads(entry["detail"])
    assert (detail["key"], detail["generation"]) == (sent.key, 1)
    assert detail["sha256"] == sha256(content).hexdigest() == sent.sha256
    home.config.write_text(home.config.read_text().replace("demo = true\n", ""))
    with pytest.raises(NotAllowed):  # no simulated people, and nobody has signed in
        take()
    assert len(audit.entries(home)) == entry.name + 1


def test_a_report_is_sent_with_its_manifest_to_each_once(published, home, server, manager):
    manager.save("board", TABLE)
    sent = manager.send_now("board")
    assert (sent.state, sent.forced_by) == ("sent", "Ada")
    # Again within the minute is the same send.
    assert manager.send_now("board").key == sent.key
    assert [to for to, _ in server.taken] == sorted(TO)
    assert len(set(server.ids)) == 2
    made = render(
        home, 1, "channels", "csv", said={"period": "13w"}, banner=sent.manifest["banner"]
    )
    for message in server.messages():
        text, file, manifest = message.get_payload()
        assert file.get_filename() == made.file_name
        assert sha256(file.get_payload(decode=True)).hexdigest() == sent.sha256 == made.sha256
        said = json.loads(manifest.get_payload(decode=True))
        assert (said["generation"], said["small_cells"], said["sha256"]) == (1, False, made.sha256)
        # What the ledger does not know to be fresh is marked, also where somebody sends it by hand.
        assert said["banner"] in text.get_payload(decode=True).decode()
        assert message["Subject"].startswith("LATE DATA: ")
    assert manager.sent(sent.key)[1] == made.content
    entries = audit.entries(home)
    actions = ["report_plan", "report_plan", "export", "export", "report_plan"]
    assert list(entries["action"]) == actions
    assert {json.loads(one).get("to") for one in entries["detail"] if "sha256" in one} == {*TO}
    assert not audit.verify(home).problems


def test_what_is_empty_or_does_not_add_up_does_not_leave(home, server, monkeypatch):
    made_up.make_home(home.folder)
    home.config.write_text(mail_config(server))
    scope = {"since": "2025-01-06", "until": "2026-12-28", "kind": "booked", "model": "linear"}
    made = told(home, 1, "channels", "csv")
    made = replace(made, manifest=made.manifest | {"filters": scope})
    assert "nothing in it" in wrong_with(home, 1, replace(made, manifest={"rows": {"rows": 0}}))
    assert "another generation" in wrong_with(home, 2, made)
    observed = amount_queries.conversions_by_week

    def credited(marts, scope, currency):
        found = observed(marts, scope, currency).groupby("kind", as_index=False).sum(True)
        return found.assign(channel="email", campaign="all")

    monkeypatch.setattr(amount_queries, "credit_by_campaign", credited)
    assert wrong_with(home, 1, made) == ""
    off = lambda *asked: credited(*asked).assign(conversions=lambda f: f["conversions"] * 1.001)  # noqa: E731
    monkeypatch.setattr(amount_queries, "credit_by_campaign", off)
    monkeypatch.setattr(managing, "Sender", partial(Sender, render=lambda *_, **__: made))
    manager = Manager(home, ADMIN, lambda: NOW)
    manager.save("board", TABLE)
    sent = manager.send_now("board")
    assert sent.state == "failed"
    assert "does not add up" in sent.reason
    assert server.taken == []
    assert [one["subject"] for one in manager.incidents()] == ["failed board"]


@pytest.mark.parametrize("early", [0, 1, 2])
def test_what_is_sent_by_hand_says_so_and_waits_on_where_it_cannot_be(
    home, manager, monkeypatch, early
):
    """Also that of a day which a clock that ran ahead has sent `early` so many times."""

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    manager.save("board", TABLE)
    key = send_key("board", NOW, planned(home).week.zone)
    with Books(home) as books:
        for _ in range(early):
            books.due(key, "board", NOW, NOW)
            books.move(key, "sent", NOW)
            books.forget_to_come(NOW - timedelta(days=1))
            key = f"{key}-again"
        books.due(key, "board", NOW, NOW)
    with monkeypatch.context() as patched:
        patched.setattr(managing, "Sender", partial(Sender, render=full))
        waits = manager.send_now("board")
    assert (waits.key, waits.state, waits.forced_by) == (key, "held", "")
    assert waits.reason == "Its file cannot be written (OSError)."
    sent = manager.send_now("board")
    assert (sent.key, sent.state) == (key, "sent")
    assert sent.reason.startswith("Sent by hand with data that are late: ")


def test_the_day_of_a_report_is_that_of_the_schedule(home, server, manager):
    with home.config.open("a") as config:
        config.write('[schedule]\ntimezone = "America/Los_Angeles"\n')
    friday = datetime(2026, 11, 28, 2, tzinfo=UTC)  # 18:00 there
    at_six = Manager(home, ADMIN, lambda: friday)
    at_six.save("board", TABLE)
    server.fail("550 5.1.1 no such mailbox", on="RCPT")
    assert at_six.send_now("board").state == "failed"
    assert [message["Subject"][-16:] for message in server.messages()] == ["27 November 2026"]
    assert at_six.incidents()[0]["sentence"].startswith("Report board of 27 November 2026 failed")


def test_a_mailbox_that_is_not_there_fails_one_and_not_the_other(home, server, manager):
    server.fail("550 5.1.1 no such mailbox", on="RCPT")
    manager.save("board", TABLE)
    sent = manager.send_now("board")
    assert sent.state == "failed"
    assert sent.reason == "1 of 2 did not get it (SMTP 550)."
    assert len(server.taken) == 1
    assert "(failed: SMTP 550)" in manager.history()["places"].iloc[0]
    with Books(home) as books:  # the next one is compared with what the other has
        assert books.last_sent("board") == sent


def test_why_a_report_waits_is_told_on_the_command_line(manager, tmp_path, capsys):
    folder = tmp_path / "away"
    folder.mkdir()
    manager.save("board", TABLE | {"recipients": [], "folder": str(folder)})
    folder.rmdir()
    assert main(["report", "send", "board"]) == 1
    said = f" To {folder} (waiting: {folder}: No such file or directory).\n"
    shown = capsys.readouterr().out
    assert shown.startswith("board: sending. ")
    assert shown.endswith(said)
    assert main(["report", "history"]) == 0
    assert capsys.readouterr().out.endswith(said)


def test_a_report_goes_into_a_folder(home, server, manager, tmp_path):
    folder = tmp_path / "board room"
    folder.mkdir()
    with pytest.raises(BadInput, match=r"Folder .*/no is no folder"):
        manager.save("files", TABLE | {"recipients": [], "folder": str(folder / "no")})
    manager.save("files", TABLE | {"recipients": [], "folder": str(folder), "format": "xlsx"})
    sent = manager.send_now("files")
    names = sorted(path.name for path in folder.iterdir())
    whole = f"files-{sent.file_name}"  # the plan's name first: others may share the folder
    assert names == sorted([whole, whole.replace(".xlsx", ".manifest.json")])
    assert sha256((folder / whole).read_bytes()).hexdigest() == sent.sha256
    assert server.taken == []


def test_who_may_not_take_reports_away_may_not_send_them(home):
    for role in ("viewer", "analyst", "care"):
        with pytest.raises(NotAllowed):
            Manager(home, Reader("Ann", frozenset({role})), lambda: NOW)


def test_reports_are_held_let_go_and_removed(home, server, manager):
    with home.config.open("a") as config:
        config.write('[reports.fixed]\nreport = "channels"\nfolder = "."\n')
    manager.save("board", TABLE)
    for name in ("board", "fixed"):
        manager.hold(name)
    assert {held_by for _, _, held_by in manager.known().values()} == {"Ada"}
    manager.resume("board")
    manager.remove("board")
    assert list(manager.known()) == ["fixed"]
    for does in (manager.remove, lambda name: manager.save(name, TABLE)):
        with pytest.raises(BadInput, match=r"caretrace\.toml"):
            does("fixed")
    with pytest.raises(BadInput, match="There are: fixed"):
        manager.hold("board")
    with only_sender(home), pytest.raises(Busy):
        manager.send_now("fixed")


def test_whoever_holds_all_sends_holds_reports_too(home, manager, server):
    manager.save("board", TABLE)
    with Ledger(home) as ledger, ledger._write() as connection:
        connection.exec_driver_sql(
            "create table if not exists flag (name text, said text, at text)"
        )
        connection.exec_driver_sql("insert into flag values ('sends_held', 'An audit.', '')")
    with pytest.raises(BadInput, match="All sends are held: An audit"):
        manager.send_now("board")
    week = planned(home).week
    with Books(home) as books:
        books.due("board/x", "board", NOW, NOW)
        mail = Mail(home, demo=True)
        Sender(home, week, {}, books, Deliveries(home, mail, week.zone), render=told).look(NOW)
        assert books.send("board/x").reason == "All sends are held: An audit."
    assert server.taken == []


def test_the_doctor_asks_the_mail_server_and_whether_anybody_is_told(home, server):
    with home.config.open("a") as config:
        config.write('[reports.one]\nreport = "channels"\nrecipients = ["a@b.example"]\n')
    found = {subject: fine for subject, fine, _ in probes(home)}
    assert found == {"reports": True, "reports by e-mail": True, "alerts": False}
    home.config.write_text(home.config.read_text().replace(str(server.port), "1"))
    assert not {subject: fine for subject, fine, _ in probes(home)}["reports by e-mail"]


def test_a_simulated_health_system_sends_to_this_computer_alone(home, server, manager):
    config = home.config.read_text()
    home.config.write_text(config.replace('host = "127.0.0.1"', 'host = "mail.example"'))
    manager.save("board", TABLE)
    assert manager.send_now("board").state == "sending"
    with Books(home) as books:
        assert "127.0.0.1" in books.incidents(opened=True)[0]["sentence"]


# Apprise imports what Python 3.13 no longer has, and does without it there.
@pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")
def test_each_incident_is_told_once_and_once_when_it_is_over(home, server, hook, caplog):
    """By Apprise to a webhook and by mail, by our own server to those who are named."""
    address = hook.url.replace("http://", "json://")
    mail = f"mailto://{'127.0.0.1'}:{server.port}?from=a@harbor.example&to=b@harbor.example"
    settings = Alerts(("ops@harbor.example",), (f"{address}/{TOKEN}", f"{mail}&mode=insecure"))
    with caplog.at_level(logging.INFO), Books(home) as books:
        mail_out = Mail(home, demo=True)

        def tell(hours: int) -> None:
            Teller(settings, books, mail_out).tell(NOW + timedelta(hours=hours))

        hook.fail(Reply(500))
        for hours in range(4):  # the same again is the same incident; what did not go goes later
            books.open_incident("source meta", "meta could not be read.", NOW, "ann@harbor.example")
            tell(hours)
        books.close_incident("source meta", NOW)
        tell(5)
        tell(6)
        books.open_incident("old", "Long ago.", NOW - timedelta(days=30))
        tell(7)
        mail_out.close()
    hooked = [request.json() for request in hook.requests if TOKEN in request.path]
    assert [one["title"] for one in hooked] == [
        "caretrace: source meta could not be read",  # which was not taken
        "caretrace: source meta could not be read",
        "caretrace: over: source meta could not be read",
    ]
    assert hooked[1]["message"] == "meta could not be read."
    for who in ("ops@harbor.example", "ann@harbor.example", "b@harbor.example"):
        assert [to for to, _ in server.taken].count(who) == 2, who
    assert TOKEN not in caplog.text


@pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")
def test_an_address_that_would_tell_everybody_on_the_way_is_refused(home, monkeypatch):
    for wrong in (f"json://hooks.example/{TOKEN}", f"nothing://{TOKEN}"):
        with pytest.raises(BadInput, match="Address 1") as refused:
            channel(wrong, 1)
        assert TOKEN not in str(refused.value)
    channel(f"jsons://hooks.example/{TOKEN}", 1)
    monkeypatch.setenv(alerting.VARIABLE, f"jsons://a.example/{TOKEN} jsons://b.example/x")
    home.config.write_text("")
    assert len(alerting.alerts(home).urls) == 2
    assert TOKEN not in repr(alerting.alerts(home))


def test_a_report_is_planned_held_and_sent_on_the_page(published, home, tmp_path):
    at = app().run()
    at.switch_page(str(PAGES / "operations/reports.py")).run()
    assert not at.exception
    at.text_input(key="report_field_name_None").input("board")
    at.text_input(key="report_field_folder_None").input(str(tmp_path))
    next(each for each in at.button if each.label == "Save").click().run()
    assert "board is planned" in at.success[0].value.replace("\\", "")
    at.button(key="report_hold").click().run()
    assert at.button(key="report_resume").label == "Let it go"
    at.button(key="report_look").click().run()
    at.button(key="report_send").click().run()
    assert not at.exception
    assert "board: sent" in at.success[0].value.replace("\\", "")
    assert [path.suffix for path in sorted(tmp_path.glob("*channels*"))] == [".json", ".xlsx"]
    assert {"planned", "sent"} <= {each.label.split()[-1].lower() for each in at.metric}


def test_a_preview_is_of_the_plan_and_the_data_as_they_are_now(published, home, tmp_path):
    def shown() -> bool:
        return any("small cells told together" in each.value for each in at.caption)

    Manager(home, ADMIN, lambda: NOW).save("board", TABLE | {"folder": str(tmp_path)})
    at = app().run()
    at.switch_page(str(PAGES / "operations/reports.py")).run()
    at.button(key="report_look").click().run()
    assert shown()
    at.run()
    assert shown()
    Manager(home, ADMIN, lambda: NOW).save("board", TABLE | {"format": "xlsx"}, change=True)
    at.run()
    assert not shown()
    at.button(key="report_look").click().run()
    assert shown()
    shutil.copytree(home.generation(1), home.generation(2))
    home.current.write_text("2", encoding="ascii")
    at.run()
    assert not at.exception
    assert not shown()
