"""The way of files: what a kill leaves is told by what lies there, and never written twice."""

import csv

import pytest
from outreach_fixture import ADMIN, MAIL_ONLY, NOW, add_flow, ago, patient, publish, wish

from attribution.contacts import Contacts
from attribution.outreach_settings import outreach_settings
from attribution.paths import Home
from outreach import doubts, handoff
from outreach.approval import approve
from outreach.filing import Files
from outreach.flow import flow
from outreach.letters import Letter
from outreach.outbox import Outbox
from outreach.planning import keep, plan
from outreach.sending import Result, send

PEOPLE = 3


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Home:
    rows = []
    for n in range(PEOPLE):
        rows += [*patient(f"P{n}", email=f"p{n}@example.org"),
                 wish(f"P{n}", "email", allowed=True, days=30)]  # fmt: skip
    made = publish(Home(tmp_path_factory.mktemp("files") / "home"), rows)
    for name in ("test", "other"):
        add_flow(made, name, text=MAIL_ONLY)
    return made


@pytest.fixture
def clinic(published) -> Home:
    """Everybody waits to be written to, and nothing was handed over yet."""
    published.outreach.unlink(missing_ok=True)
    for path in published.folder.glob("handed_over/*"):
        path.unlink()
    one, settings = flow(published, "test"), outreach_settings(published)
    with Contacts(published) as contacts, Outbox(published) as outbox:
        keep(plan(published, one, settings, contacts, outbox, now=NOW), outbox, published)
        approve(published, ADMIN, one, settings, outbox, NOW.date())
    return published


def sent(home: Home) -> Result:
    with Contacts(home) as contacts, Outbox(home) as outbox:
        return send(home, flow(home, "test"), outreach_settings(home), contacts, outbox, now=NOW)


def files(home: Home) -> list[str]:
    """What lies there, by the ends of the names."""
    return sorted(path.suffix for path in handoff.folder(home).iterdir())


@pytest.fixture
def killed_after(clinic, monkeypatch) -> Home:
    """The sender was killed when the file was there, and had written down nothing of it."""
    whole = Files.hand_over

    def killed(way: Files, letters: list[Letter]) -> None:
        whole(way, letters)
        raise KeyboardInterrupt

    with monkeypatch.context() as kill:
        kill.setattr(Files, "hand_over", killed)
        with pytest.raises(KeyboardInterrupt):
            sent(clinic)
    return clinic


def test_what_lies_in_a_file_was_handed_over(killed_after):
    """It left when it was being sent, whenever that comes to be known."""
    then = ago(2).isoformat()
    with Outbox(killed_after) as outbox:
        outbox._connection.execute("update message set at = ?", (then,))
    result = sent(killed_after)
    with Outbox(killed_after) as outbox:
        assert {row["at"] for row in outbox.rows("select at from message")} == {then}
    assert (result.states, result.settled.gone) == ({"sent": PEOPLE}, PEOPLE)
    assert files(killed_after) == [".csv"]


def test_a_file_that_was_read_and_deleted_is_not_written_again(killed_after):
    for path in handoff.folder(killed_after).iterdir():
        path.unlink()
    for _twice in range(2):
        result = sent(killed_after)
        assert (result.states, result.settled.open) == ({"in_doubt": PEOPLE}, PEOPLE)
    assert files(killed_after) == []
    with Outbox(killed_after) as outbox:
        doubts.decide("test", outbox, gone=False)
    assert sent(killed_after).states == {"sent": PEOPLE}
    assert files(killed_after) == [".csv"]


def test_a_kill_before_the_file_is_there_leaves_nobody_in_doubt(clinic, monkeypatch):
    with monkeypatch.context() as kill:
        kill.setattr("outreach.filing.handoff.hand_over", killed)
        with pytest.raises(KeyboardInterrupt):
            sent(clinic)
    with Outbox(clinic) as outbox:
        assert outbox.counts("test") == {"sending": PEOPLE}
    assert files(clinic) == [".tmp"]
    # Another flow's files leave what shows it where it is.
    for letters in ([Letter("1" * 32, "email", "x", 1, "a@example.org", "Hello", "Text")], []):
        handoff.lay_out(clinic, "other", letters)
    result = sent(clinic)
    assert (result.states, result.settled.back) == ({"sent": PEOPLE}, PEOPLE)
    (path,) = handoff.folder(clinic).iterdir()
    with path.open(encoding="utf-8", newline="") as file:
        assert sorted(row["record"] for row in csv.DictReader(file)) == ["P0", "P1", "P2"]


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_is_laid_out_and_does_not_leave_is_not_kept(clinic, monkeypatch):
    """The approval is withdrawn when the file is ready and nothing was begun."""

    def withdrawn(outbox: Outbox, *_: object, **_more: object) -> bool:
        assert files(clinic) == [".tmp"]
        outbox.withdraw("test")
        return False

    monkeypatch.setattr(Outbox, "begin", withdrawn)
    assert sent(clinic).states == {"planned": PEOPLE}
    assert files(clinic) == []
