"""Mail of flows through a real mail server: what it says, what servers answer, and doubts."""

import ssl
from collections import Counter
from contextlib import closing
from email import message_from_bytes
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from outreach_fixture import ADMIN, CONFIG, MAIL_ONLY, NOW, SMTP, add_flow, patient, publish, wish
from servers.authority import localhost
from servers.smtp import SmtpServer

from attribution.contacts import Contacts, _sendable
from attribution.outreach_settings import Outreach, outreach_settings
from attribution.outreach_ways import Smtp
from attribution.paths import Home
from outreach import doubts
from outreach.approval import approve
from outreach.flow import flow
from outreach.letters import Letter
from outreach.outbox import Outbox
from outreach.planning import keep, plan
from outreach.sending import send
from outreach.smtp import Mailer, _message

ENCODED = ["=?utf-8?q?a=0d=0abcc:_evil@x.org?=", "=?utf-8?b?DQpCY2M6IGV2aWxAeC5vcmc=?="]
MANY = 40


@pytest.fixture(scope="module")
def crowd(tmp_path_factory) -> Home:
    """Many who asked to be written to."""
    rows = []
    for n in range(MANY):
        rows += patient(f"P{n:05}", email=f"p{n}@example.org")
        rows.append(wish(f"P{n:05}", "email", allowed=True, days=30))
    made = publish(Home(tmp_path_factory.mktemp("crowd") / "home"), rows)
    add_flow(made)
    return made


def mailed(home: Home, server: SmtpServer, *, security: str = "none", more: str = "") -> None:
    """Fresh settings and a fresh outbox with everybody in it, approved."""
    home.outreach.unlink(missing_ok=True)
    text = SMTP.format(port=server.port, security=security, more=more)
    home.config.write_text(CONFIG + 'quiet_from = "00:00"\nquiet_until = "00:00"\n' + text)
    add_flow(home, text=MAIL_ONLY)
    settings, one = outreach_settings(home), flow(home, "test")
    with Contacts(home) as contacts, Outbox(home) as outbox:
        keep(plan(home, one, settings, contacts, outbox, now=NOW), outbox, home)
        approve(home, ADMIN, one, settings, outbox, NOW.date())


def sent(home: Home):
    with Contacts(home) as contacts, Outbox(home) as outbox:
        result = send(home, flow(home, "test"), outreach_settings(home), contacts, outbox)
        return result, outbox.reasons("test")


def test_mail_says_who_writes_and_how_to_stop(crowd, tmp_path):
    key, certificate = localhost()
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "ca.pem").write_bytes(certificate)
    (crowd.folder / "ca.pem").write_bytes(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    with SmtpServer(context=context, user=("care", "sesame-4711")) as server:
        mailed(crowd, server, security="starttls", more='ca_file = "none.pem"')
        result, _ = sent(crowd)
        assert "ca_file of [outreach.smtp]" in result.stopped
        # A path of the home folder, wherever the command is given.
        mailed(crowd, server, security="starttls", more='user = "care"\nca_file = "ca.pem"')
        result, _ = sent(crowd)
        assert "refused the user" in result.stopped
        assert "sesame" not in result.stopped
        (crowd.secrets).write_text('[outreach.smtp]\npassword = "sesame-4711"\n')
        result, _ = sent(crowd)
        crowd.secrets.unlink()
        assert result.states == {"sent": MANY}
        message = server.messages()[0]
        assert message["From"] == "Harbor Clinic <care@harbor.example>"
        assert message["List-Unsubscribe"] == "<https://harbor.example/stop>"
        # One click could not tell who clicked, so it is not offered.
        assert message["List-Unsubscribe-Post"] is None
        text = message.get_payload(decode=True).decode()
        assert "1 Pier, Chicago" in text
        assert "https://harbor.example/stop" in text
        assert len(set(server.ids)) == MANY
        with Outbox(crowd) as outbox:
            kept = {row["receipt"] for row in outbox.rows("select receipt from message")}
        # By this name whoever reads the server's log tells of it.
        assert kept == {one["Message-ID"].strip("<>") for one in server.messages()}


def test_a_refusal_that_may_pass_is_tried_later_and_one_that_stays_is_not(crowd):
    with SmtpServer() as server:
        mailed(crowd, server)
        server.fail("451 4.7.1 greylisted", "550 5.1.1 no such user", on="RCPT")
        server.fail("552 5.3.4 too big", on="DOT")
        server.fail("drop", on="RCPT")
        result, reasons = sent(crowd)
        assert result.states == {"approved": 2, "failed": 2, "sent": MANY - 4}
        assert Counter(reason for _s, reason, _n in reasons) == Counter(
            ["SMTP 451", "SMTP 550", "SMTP 552", "connection lost before the message"]
        )
        with Outbox(crowd) as outbox:
            hard = outbox.stopped().filter(outbox.stopped()["hard"])
            assert hard.num_rows == 1  # the mailbox is gone, not the one whose mail was too big


def test_what_the_server_says_of_us_is_not_held_against_anybody(crowd):
    """No sender, no relaying, spam: nobody's mailbox is gone for that."""
    with SmtpServer() as server:
        mailed(crowd, server)
        server.fail("553 5.1.8 no such sender", on="MAIL")
        result, _ = sent(crowd)
        assert "sender in [outreach.smtp]" in result.stopped
        assert result.states == {"approved": MANY}
        server.fail(
            "550 relay not permitted", "550 5.7.1 blocked", "550 5.0.0 no such user", on="RCPT"
        )
        server.fail("550 looks like spam", on="DOT")
        result, _ = sent(crowd)
        assert result.states == {"failed": 4, "sent": MANY - 4}
        with Outbox(crowd) as outbox:
            assert outbox.stopped()["hard"].to_pylist() == [True]


def test_after_a_refusal_of_what_is_said_the_next_message_goes_out(crowd):
    """A server is in the midst of a message until it is told otherwise, and takes no sender."""
    with SmtpServer() as server:
        mailed(crowd, server)
        server.fail("452 4.3.1 no space left", "554 5.7.1 not from you", on="DATA")
        server.fail("drop", on="RSET")
        result, reasons = sent(crowd)
        assert (result.stopped, result.states) == (
            "", {"approved": 1, "failed": 1, "sent": MANY - 2}
        )  # fmt: skip
        assert {reason for _state, reason, _count in reasons} == {"SMTP 452", "SMTP 554"}


# What the standard library's newer message classes fall over, or take for two.
ODD = ["(}$~):$@x.org", '-:;$"[@x.org', "a,b@x.org", ">?,@x.org", '"a b"@x.org', "a..b@x.org"]


def test_an_address_that_mail_cannot_go_to_stops_nobody_elses(crowd):
    with SmtpServer() as server:
        mailed(crowd, server)
        settings = outreach_settings(crowd)
        with closing(Mailer(settings)) as mailer:
            mailer.ready()
            for address in ODD:
                one = Letter("0" * 32, "email", "x", 1, address, "Hello", "Text")
                assert mailer.hand_over([one])[0].state == "failed", address
                assert _sendable("email", address, "US") is None
        assert server.taken == []
        assert not any(command.startswith("MAIL") for command in server.commands)


@hypothesis_settings(max_examples=60)
@given(subject=st.text(max_size=90) | st.sampled_from(ENCODED), body=st.text(max_size=90))
def test_nothing_that_is_said_makes_a_header_of_its_own(subject, body):
    """Encoded words in a name from the data, line ends of every kind, and what looks like both."""
    line = " ".join(subject.split())
    letter = Letter("0" * 32, "email", "x", 1, "ann@example.org", line, body)
    smtp = Smtp("127.0.0.1", "Harbor <care@harbor.example>")
    raw = _message(letter, Outreach(unsubscribe="mailto:stop@harbor.example"), smtp)
    head = raw.partition(b"\r\n\r\n")[0]
    names = [part.partition(b":")[0] for part in head.split(b"\r\n") if part[:1] not in b" \t"]
    assert names == [
        b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted", b"List-Unsubscribe",
        b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding",
    ]  # fmt: skip
    assert b"\n" not in head.replace(b"\r\n", b"")
    made = message_from_bytes(raw)
    told = str(make_header(decode_header(made["Subject"])))
    assert told.strip() == "".join(sign for sign in line if sign.isprintable()).strip()
    text = made.get_payload(decode=True).decode()
    assert text.replace("\r\n", "\n").splitlines() == body.splitlines()


def test_without_a_log_a_doubt_waits_for_a_person(crowd):
    with SmtpServer() as server:
        mailed(crowd, server)
        server.fail("drop after", on="DATA")
        result, _ = sent(crowd)
        assert result.states == {"in_doubt": 1, "sent": MANY - 1}
        result, _ = sent(crowd)
        assert result.settled.open == 1
        assert len(server.taken) == MANY
        with Outbox(crowd) as outbox:
            assert doubts.decide("test", outbox, gone=True) == 1
            assert outbox.counts("test") == {"sent": MANY}


def test_a_log_that_was_thrown_away_shows_nothing(crowd, tmp_path):
    """Absence from a log that begins later is no evidence that a message did not go."""
    with SmtpServer(tmp_path) as server:
        mailed(crowd, server, more=f'log = "{tmp_path}"\nsettle_seconds = 0.01')
        server.fail("drop after", on="DATA")
        sent(crowd)
        lines = server.log.read_text().splitlines(keepends=True)
        server.log.write_text("".join(lines[4:]))  # the four of the first message
        result, _ = sent(crowd)
        assert (result.settled.open, len(server.taken)) == (1, MANY)
        server.log.write_text("".join(lines))
        result, _ = sent(crowd)
        assert result.states == {"sent": MANY}
        with Outbox(crowd) as outbox:
            unnamed = "select key from message where receipt <> key || '@harbor.example'"
            assert outbox.rows(unnamed) == []
