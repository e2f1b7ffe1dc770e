"""SMTP logs: Postfix's lines, whole, rotated and packed, and tables of deliveries."""

import gzip
import json
import os
from datetime import UTC, datetime

import pytest
from connector_fixtures import of

from connectors import smtp_log
from connectors.contract import MessageEvent
from connectors.errors import SourceChanged, SourceMisconfigured, SourceUnreachable
from connectors.source import Context, Cursor, Rejected
from outreach.mail_logs import accepted

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
NEWS = [{"match": "news@*", "flow": "newsletter"}]
DONE = "delay=1.2, delays=0/0/1/0, dsn=2.0.0, status=sent (250 2.0.0 OK Ann's mailbox)"
NO_CODE = "delay=1, dsn=5.0.0, status=bounced (host mx[192.0.2.1] said:"
UNKNOWN = "delay=1, dsn=5.1.1, status=bounced (host mx said: 550 5.1.1 <ann@example.org> unknown)"
LATER = "delay=1, dsn=4.2.2, status=deferred (host mx said: 452 4.2.2 mailbox full)"


def line(clock, daemon, rest, *, queue="4XyZabc12", day="Nov 23"):
    return f"{day} {clock} mx1 postfix/{daemon}[123]: {queue}: {rest}"


def mail(
    *ends, sender="news@clinic.example", queue="4XyZabc12", number="m1", people=1, day="Nov 23"
):
    head = [
        line("10:00:00", "cleanup", f"message-id=<{number}@clinic.example>", queue=queue, day=day),
        line("10:00:01", "qmgr", f"from=<{sender}>, size=9, nrcpt={people} (queue active)",
             queue=queue, day=day),
    ]  # fmt: skip
    tail = [
        line(f"10:00:{place + 2:02d}", "smtp", f"to=<{who}>, relay=mx[192.0.2.1]:25, {end}",
             queue=queue, day=day)
        for place, (who, end) in enumerate(ends)
    ]  # fmt: skip
    return [*head, *tail, line("10:05:00", "qmgr", "removed", queue=queue, day=day)]


def source(place, **options):
    given = {"folder": str(place), "flows": NEWS, "timezone": "America/New_York"} | options
    return smtp_log.connect(Context("mta", "main", given, NOW, NOW.date()))


def read(folder, cursors=None, **options):
    pieces = source(folder, **options).slices(cursors or {})
    return [item for piece in pieces for item in piece.read()]


def write(folder, name, lines):
    (folder / name).write_text("".join(f"{each}\n" for each in lines), encoding="utf-8")


def told(items):
    return [(row.event, row.message_id, row.email, row.reason) for row in of(MessageEvent, items)]


ANN = ("ann@example.org", DONE)
SENT = [
    ("sent", "m1@clinic.example", "ann@example.org", None),
    ("delivered", "m1@clinic.example", "ann@example.org", None),
]


def test_a_mail_that_was_delivered(tmp_path):
    write(tmp_path, "mail.log", mail(ANN))
    items = read(tmp_path)
    assert told(items) == SENT
    first = of(MessageEvent, items)[0]
    assert (first.at, first.flow, first.channel, first.mailing) == (
        datetime(2026, 11, 23, 15, 0, 0, tzinfo=UTC), "newsletter", "email", True,
    )  # fmt: skip


def test_logs_in_folders_below_are_read_unless_the_pattern_leaves_them_out(tmp_path):
    (tmp_path / "mx1").mkdir()
    write(tmp_path, "mx1/mail.log", mail(ANN))
    write(tmp_path, "mail.log", mail(("bob@example.org", DONE), number="m2", queue="5XyZabc12"))
    assert {row[2] for row in told(read(tmp_path))} == {"ann@example.org", "bob@example.org"}
    assert {row[2] for row in told(read(tmp_path, match="*"))} == {"bob@example.org"}


@pytest.mark.parametrize(
    ("end", "fate"),
    [
        (UNKNOWN, ("bounced", "5.1.1")),
        (LATER, ("deferred", "4.2.2")),
        ("delay=9, dsn=4.4.1, status=expired (too old)", ("dropped", "4.4.1")),
        ("delay=1, dsn=5.7.1, status=bounced (host mx said: spam)", ("dropped", "5.7.1")),
        ("delay=1, dsn=5.1.0, status=bounced (address unknown)", ("bounced", "5.1.0")),
        ("delay=1, dsn=5.4.4, status=bounced (Host not found)", ("bounced", "5.4.4")),
        (f"{NO_CODE} 550 user unknown (in reply to RCPT TO command))", ("bounced", "5.0.0")),
        (f"{NO_CODE} 550 looks like spam (in reply to end of DATA command))", ("dropped", "5.0.0")),
        (f"{NO_CODE} 550 Relaying denied (in reply to RCPT TO command))", ("dropped", "5.0.0")),
        (f"{NO_CODE} 554 refused (in reply to RCPT TO command))", ("dropped", "5.0.0")),
        ("delay=9, status=sent (no code)", ("delivered", None)),
    ],
)
def test_what_became_of_it(tmp_path, end, fate):
    write(tmp_path, "mail.log", mail(("ann@example.org", end)))
    event, _, _, reason = told(read(tmp_path))[1]
    assert (event, reason) == fate


def test_a_message_that_a_filter_hands_back_is_not_delivered_yet(tmp_path):
    filtered = "status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): Ok: queued as 5NeWqueue1)"
    who = "ann@example.org"
    before, after = mail((who, filtered)), mail((who, UNKNOWN), queue="5NeWqueue1")
    write(tmp_path, "mail.log", [*before[:2], *after[:2], *before[2:], *after[2:]])
    assert [event for event, _, _, _ in told(read(tmp_path))] == ["sent", "bounced"]


SENDMAIL = "Nov 23 {} mx1 sm-mta[65625]: 4AN2f0Ab065625: {}"
EXIM = "2026-11-23 {} 1rABcd-0005MB-00 {}"
TO_ANN = "to=<ann@example.org>, delay=00:00:03, mailer=esmtp, relay=mx.example.org. [192.0.2.1], "
FROM_NEWS = "from=<news@clinic.example>, size=9, class=0, nrcpts=1, msgid=<m1@clinic.example>, p=1"
ARRIVED = "<= news@clinic.example H=app [10.0.0.1] P=esmtp S=9 id=m1@clinic.example"
FAILED = "SMTP error from remote mail server after RCPT TO:<ann@example.org>"
OTHERS = [
    (SENDMAIL, FROM_NEWS, TO_ANN + "dsn=2.0.0, stat=Sent (Ok, Ann's mailbox)", ("delivered", None)),
    (SENDMAIL, FROM_NEWS, TO_ANN + "dsn=5.1.1, stat=User unknown", ("bounced", "5.1.1")),
    (SENDMAIL, FROM_NEWS, TO_ANN + "dsn=4.2.2, stat=Deferred: 452 full", ("deferred", "4.2.2")),
    (EXIM, ARRIVED, "=> ann@example.org R=dnslookup T=remote_smtp C=\"250 Ok\"",
     ("delivered", None)),
    (EXIM, ARRIVED, "=> ann <ann@example.org> R=localuser T=local_delivery", ("delivered", None)),
    (EXIM, ARRIVED, f"** ann@example.org R=dnslookup T=remote_smtp: {FAILED}: 550 5.1.1 unknown",
     ("bounced", "5.1.1")),
    (EXIM, ARRIVED, "** ann@example.org: retry timeout exceeded", ("dropped", None)),
    (EXIM, ARRIVED, "** ann@example.org: Unrouteable address", ("bounced", None)),
    (EXIM, ARRIVED, f"== ann@example.org R=dnslookup defer (-44): {FAILED}: 452 4.2.2 full",
     ("deferred", "4.2.2")),
]  # fmt: skip


@pytest.mark.parametrize(("form", "taken", "end", "fate"), OTHERS)
def test_sendmail_and_exim_tell_the_same(tmp_path, form, taken, end, fate):
    """Written as their manuals show it; arrival and delivery may lie in two files."""
    write(tmp_path, "mainlog.1", [form.format("10:00:00", taken)])
    write(tmp_path, "mainlog", [form.format("10:00:02", end), form.format("10:00:02", "Completed")])
    rows = of(MessageEvent, read(tmp_path))
    assert [(r.event, r.message_id, r.email, r.reason) for r in rows] == [
        SENT[0], (fate[0], "m1@clinic.example", "ann@example.org", fate[1]),
    ]  # fmt: skip
    assert rows[0].at == datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def test_what_sendmail_hands_to_itself_and_others_mail_is_not_told(tmp_path):
    """The half that took it from the program hands it to the half that sends: two queue names."""
    itself = TO_ANN.replace("mx.example.org. [192.0.2.1]", "[127.0.0.1] [127.0.0.1]")
    write(
        tmp_path, "maillog",
        [
            SENDMAIL.format("10:00:00", FROM_NEWS).replace("4AN2f0Ab", "4AN2f0Aa"),
            SENDMAIL.format("10:00:00", FROM_NEWS),
            SENDMAIL.format("10:00:01", itself + "dsn=2.0.0, stat=Sent (taken)").replace(
                "4AN2f0Ab", "4AN2f0Aa"
            ),
            SENDMAIL.format("10:00:02", TO_ANN + "dsn=5.1.1, stat=User unknown"),
            ("Nov 23 10:00:03 mx1 sm-mta[9]: 4AN2f0Zz065625: from=<boss@clinic.example>, size=9, "
            "nrcpts=1, msgid=<b@clinic.example>"),
            ("Nov 23 10:00:04 mx1 sm-mta[9]: 4AN2f0Zz065625: to=<x@example.org>, delay=1, "
            "dsn=2.0.0, stat=Sent (Ok)"),
        ],
    )  # fmt: skip
    assert [event for event, _, _, _ in told(read(tmp_path))] == ["sent", "bounced"]


def test_exim_to_several_people_says_so_where_it_is_told_to(tmp_path):
    write(
        tmp_path, "mainlog",
        [
            EXIM.format("10:00:00", f"{ARRIVED} for ann@example.org bob@example.org"),
            EXIM.format("10:00:01", "=> ann@example.org R=dnslookup T=remote_smtp"),
            EXIM.format("10:00:01", "-> bob@example.org R=dnslookup T=remote_smtp"),
        ],
    )  # fmt: skip
    assert {number for event, number, _, _ in told(read(tmp_path)) if event == "delivered"} == {
        "m1@clinic.example:ann@example.org", "m1@clinic.example:bob@example.org",
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        SENDMAIL.format("10:00:00", FROM_NEWS),
        EXIM.format("10:00:00", ARRIVED),
        ("2026-11-23T10:00:00-05:00 mx1 exim[9]: 2026-11-23 10:00:00.123 -0500 [9] "
        f"1pDSRO-0000000DKQe-1KZ7 {ARRIVED}"),
        line("10:00:00", "cleanup", "message-id=<m1@clinic.example>")
        + "\n" + line("10:00:01", "qmgr", "from=<news@clinic.example>, size=9, nrcpt=1"),
    ],
)  # fmt: skip
def test_what_a_log_shows_to_be_taken_settles_a_doubt(tmp_path, line):
    write(tmp_path, "mail.log", ["a line of something else", *line.split("\n")])
    assert [number for number, _ in accepted(tmp_path)] == ["m1@clinic.example"]


def test_mail_to_several_people_is_a_message_to_each(tmp_path):
    write(tmp_path, "mail.log", mail(ANN, ("Bob@example.org", LATER), people=2))
    assert {(event, number) for event, number, _, _ in told(read(tmp_path))} == {
        ("sent", "m1@clinic.example:ann@example.org"),
        ("delivered", "m1@clinic.example:ann@example.org"),
        ("sent", "m1@clinic.example:bob@example.org"),
        ("deferred", "m1@clinic.example:bob@example.org"),
    }


def test_nobody_else_s_mail_is_read(tmp_path):
    other = mail(ANN, sender="director@clinic.example", queue="AAAAAAAAA")
    bounce = mail(ANN, sender="", queue="BBBBBBBBB", number="m3")
    probe = line("10:00:09", "smtp", "to=<a@b.example>, dsn=2.0.0, status=undeliverable (x)")
    write(tmp_path, "mail.log", [*other, *bounce, "Nov 23 10:00:00 mx1 sshd[1]: hello"])
    assert [type(item) for item in read(tmp_path)] == [Cursor]
    write(tmp_path, "mail.log", [*mail()[:2], probe])
    assert told(read(tmp_path)) == []


@pytest.mark.parametrize("cut", [1, 2])
def test_a_message_whose_lines_lie_in_two_files(tmp_path, cut):
    lines = mail(ANN)
    write(tmp_path, "mail.log.1", lines[:cut])
    write(tmp_path, "mail.log", lines[cut:])
    assert told(read(tmp_path)) == SENT


def test_a_packed_older_file_is_looked_into(tmp_path):
    lines = mail(ANN)
    data = "\n".join(lines[:2]).encode()
    (tmp_path / "mail.log-20261122.gz").write_bytes(gzip.compress(data))
    write(tmp_path, "mail.log", lines[2:])
    assert told(read(tmp_path)) == SENT


def test_a_delivery_whose_beginning_is_lost_is_told(tmp_path):
    write(tmp_path, "mail.log", mail(ANN)[2:])
    (rejected,) = of(Rejected, read(tmp_path))
    assert (rejected.row_number, rejected.column) == (1, "from")
    assert rejected.reason == "was queued in no file of the folder"


def test_a_queue_id_that_comes_again_is_another_message(tmp_path):
    first = mail(ANN, sender="director@clinic.example", number="m0", day="Nov 22")
    write(tmp_path, "mail.log", [*first, *mail(ANN)])
    assert told(read(tmp_path)) == SENT
    write(tmp_path, "mail.log.1", [*mail(ANN, number="m0", day="Oct  2")[:2]])
    write(tmp_path, "mail.log", mail(ANN)[2:])
    assert len(of(Rejected, read(tmp_path))) == 1


def test_a_log_that_grew_tells_the_same_events_again(tmp_path):
    lines = mail(("ann@example.org", LATER), ANN)
    write(tmp_path, "mail.log", lines[:3])
    first = read(tmp_path)
    cursors = {"file:mail.log": of(Cursor, first)[0].value}
    assert read(tmp_path, cursors) == []
    write(tmp_path, "mail.log", lines)
    again = of(MessageEvent, read(tmp_path, cursors))
    assert {row.event_id for row in of(MessageEvent, first)} < {row.event_id for row in again}
    assert [row.event for row in again] == ["sent", "deferred", "sent", "delivered"]
    assert again[0] == again[2]


def test_times_with_a_year_need_no_zone(tmp_path):
    stamped = [each.replace("Nov 23 ", "2025-11-23T") for each in mail(ANN)]
    stamped = [each.replace(" mx1", ".250000-05:00 mx1", 1) for each in stamped]
    write(tmp_path, "mail.log", stamped)
    rows = of(MessageEvent, read(tmp_path, timezone=None))
    assert rows[1].at == datetime(2025, 11, 23, 15, 0, 2, 250000, tzinfo=UTC)


def test_times_without_one_are_of_the_last_such_day(tmp_path):
    write(tmp_path, "mail.log", mail(ANN, day="Dec 30"))
    assert of(MessageEvent, read(tmp_path))[0].at.year == 2025
    write(tmp_path, "mail.log", mail(ANN, day="Nov 23"))
    os.utime(tmp_path / "mail.log", (1764000000, 1764000000))  # written in November 2025
    assert of(MessageEvent, read(tmp_path))[0].at.year == 2025


def test_times_without_zone_ask_for_one(tmp_path):
    write(tmp_path, "mail.log", mail(ANN))
    with pytest.raises(SourceMisconfigured, match="set the timezone of source 'mta'"):
        read(tmp_path, timezone=None)


@pytest.mark.parametrize(
    ("day", "reason"),
    [("Feb 30", "is not an instant"), ("2026-13-01T10:00:00Z", "is not an instant")],
)
def test_a_time_that_is_none_keeps_its_line_out(tmp_path, day, reason):
    bad = line("10:00:09", "smtp", f"to=<ann@example.org>, {DONE}", day=day)
    bad = bad.replace(f"{day} 10:00:09", day) if "T" in day else bad
    write(tmp_path, "mail.log", [*mail(ANN), bad])
    items = read(tmp_path)
    (rejected,) = of(Rejected, items)
    assert (rejected.row_number, rejected.column, rejected.reason) == (5, "time", reason)
    assert "ann" not in repr(rejected)
    assert told(items) == SENT


def test_a_file_that_is_no_log_is_refused(tmp_path):
    write(tmp_path, "notes.txt", ["hello", "world"])
    with pytest.raises(SourceChanged, match="holds no line of Postfix"):
        read(tmp_path)
    with pytest.raises(SourceUnreachable, match="none of its 1 files is one that it reads"):
        read(tmp_path, match="*.log")


ROW = {
    "time": "2026-11-23T15:00:00Z", "message_id": "<m1@clinic.example>", "sender":
    "news@clinic.example", "recipient": "ann@example.org", "status": "delivered", "dsn": "2.0.0",
}  # fmt: skip


@pytest.mark.parametrize("name", ["mta.csv", "mta.ndjson"])
def test_tables_of_deliveries(tmp_path, name):
    rows = [
        ROW,
        ROW | {"status": "queued", "dsn": ""},
        ROW | {"status": "", "dsn": "5.7.1"},
        ROW | {"status": "failed", "dsn": "4.7.1"},
        ROW | {"sender": "director@clinic.example"},
        ROW | {"status": "lost", "dsn": ""},
        ROW | {"time": "yesterday"},
    ]
    if name.endswith("csv"):
        lines = [f"\ufeff{','.join(ROW)}", *(",".join(row.values()) for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    write(tmp_path, name, lines)
    items = read(tmp_path)
    assert [(event, reason) for event, _, _, reason in told(items)] == [
        ("delivered", None), ("sent", None), ("dropped", "5.7.1"), ("deferred", "4.7.1"),
    ]  # fmt: skip
    assert {row.message_id for row in of(MessageEvent, items)} == {"m1@clinic.example"}
    assert [r.column for r in of(Rejected, items)] == ["status", "time"]


def test_probe_counts_files(tmp_path):
    write(tmp_path, "mail.log", mail(ANN))
    assert source(tmp_path).probe().endswith("holds 1 .log to read.")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"folder": "", "flows": []}, "folder is missing; flows is missing: name the senders"),
        ({"timezone": "EST5"}, "timezone 'EST5' is no name"),
        ({"flows": [{"match": ""}]}, "match is missing"),
    ],
)
def test_settings_that_cannot_be_right_are_named(tmp_path, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        source(tmp_path, **options)
