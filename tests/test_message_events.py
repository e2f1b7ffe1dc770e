"""Files of webhook events: five vendors' records, in any order, twice, packed, cut and unknown."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from threading import Lock

import pytest
from connector_fixtures import of
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from attribution.loading import Loader
from attribution.privacy import Door
from attribution.raw import cursors, ensure_raw_tables
from connectors import message_events
from connectors.contract import MessageEvent, Preference, Touchpoint
from connectors.errors import SourceChanged, SourceMisconfigured
from connectors.source import Context, Cursor, Rejected

NOON = datetime(2026, 11, 10, 12, 0, tzinfo=UTC)
STAMP = NOON.isoformat().replace("+00:00", "Z")
UNIX = NOON.timestamp()
ANN = "Ann@example.org"


def sendgrid(event, **more):
    record = {
        "email": ANN, "timestamp": int(UNIX), "event": event, "category": ["spring", "letters"],
        "sg_event_id": f"sg-{event}", "sg_message_id": "abc.recvd-1.0", "ip": "192.0.2.1",
        "useragent": "Mozilla/5.0",
    }  # fmt: skip
    return record | more


def mailgun(event, **more):
    data = {
        "event": event, "id": "day-unique", "timestamp": UNIX, "recipient": ANN,
        "log-level": "info", "tags": ["spring"], "user-variables": {},
        "message": {"headers": {"message-id": "x@mg.example.org", "subject": "Your knee"}},
    }  # fmt: skip
    return {"signature": {"token": "t"}, "event-data": data | more}


def postmark(kind, when, **more):
    address = "Email" if kind in ("Bounce", "SpamComplaint") else "Recipient"
    record = {
        "RecordType": kind, "MessageID": "p-1", address: ANN, when: "2026-11-10T12:00:00.1234567Z",
        "Tag": "spring", "MessageStream": "broadcast", "Metadata": {}, "Subject": "Your knee",
    }  # fmt: skip
    return record | more


def ses(kind, part, content, *, to=(ANN,), tags=None, **mail):
    sent = {"timestamp": STAMP, "messageId": "s-1", "destination": list(to), "tags": tags or {}}
    return {"eventType": kind, "mail": sent | mail, part: {"timestamp": STAMP, **content}}


def sns(event):
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": json.dumps(event)}


def callback(status, **more):
    record = {
        "MessageSid": "SM1", "MessageStatus": status, "To": "+12125550100", "From": "+12125550199",
        "MessagingServiceSid": "MG1", "received_at": STAMP,
    }  # fmt: skip
    return record | more


def source(place, **options):
    given = {"folder": str(place)} | options
    return message_events.connect(Context("hooks", "main", given, NOON, NOON.date()))


def read(folder, cursors=None, **options):
    pieces = source(folder, **options).slices(cursors or {})
    return [item for piece in pieces for item in piece.read()]


def told(tmp_path, *records, **options):
    (tmp_path / "events.ndjson").write_text("".join(f"{json.dumps(r)}\n" for r in records))
    return read(tmp_path, **options)


@pytest.mark.parametrize(
    ("record", "event"),
    [
        (sendgrid("processed"), "sent"),
        (sendgrid("deferred", response="451 later"), "deferred"),
        (sendgrid("bounce", status="5.1.1"), "bounced"),
        (sendgrid("bounce", type="blocked", status="5.7.1"), "dropped"),
        (sendgrid("dropped"), "dropped"),
        (sendgrid("open"), "opened"),
        (sendgrid("spamreport"), "complained"),
        (sendgrid("group_unsubscribe"), "unsubscribed"),
        (mailgun("accepted"), "sent"),
        (mailgun("failed", severity="permanent"), "bounced"),
        (mailgun("failed", severity="temporary"), "deferred"),
        (mailgun("failed", severity="permanent", reason="old"), "dropped"),
        (mailgun("clicked")["event-data"], "clicked"),
        (mailgun("unsubscribed"), "unsubscribed"),
        (postmark("Delivery", "DeliveredAt"), "delivered"),
        (postmark("Open", "ReceivedAt"), "opened"),
        (postmark("Click", "ReceivedAt"), "clicked"),
        (postmark("Bounce", "BouncedAt", Type="HardBounce"), "bounced"),
        (postmark("Bounce", "BouncedAt", Type="Transient"), "deferred"),
        (postmark("Bounce", "BouncedAt", Type="SoftBounce"), "dropped"),
        (postmark("SpamComplaint", "BouncedAt"), "complained"),
        (postmark("SubscriptionChange", "ChangedAt", SuppressSending=True), "unsubscribed"),
        (ses("Send", "send", {}), "sent"),
        (ses("Delivery", "delivery", {"recipients": [ANN]}), "delivered"),
        (sns(ses("Bounce", "bounce", {"bouncedRecipients": [{"emailAddress": ANN}]})), "bounced"),
        (ses("Bounce", "bounce", {"bounceType": "Permanent"}), "bounced"),
        (ses("Bounce", "bounce", {"bounceType": "Transient"}), "deferred"),
        (sns(ses("Complaint", "complaint", {"complainedRecipients": []})), "complained"),
        (ses("Open", "open", {"userAgent": "x"}), "opened"),
        (ses("Click", "click", {"link": "https://example.org"}), "clicked"),
        (
            ses("Subscription", "subscription", {"newTopicPreferences": {"unsubscribeAll": True}}),
            "unsubscribed",
        ),
    ],
)
def test_every_vendor_s_word_for_what_happened(tmp_path, record, event):
    (row,) = of(MessageEvent, told(tmp_path, record))
    assert (row.event, row.email, row.channel) == (event, ANN, "email")
    assert row.at.replace(microsecond=0) == NOON
    assert row.message_id.endswith(":ann@example.org")


@pytest.mark.parametrize(
    "record",
    [
        sendgrid("a_kind_of_tomorrow"),
        mailgun("stored"),
        postmark("Inbound", "ReceivedAt"),
        postmark("Bounce", "BouncedAt", Type="AutoResponder"),
        postmark("SubscriptionChange", "ChangedAt", SuppressionReason="HardBounce"),
        ses("Open", "open", {}, to=(ANN, "bob@example.org")),
        ses("Subscription", "subscription", {"newTopicPreferences": {"unsubscribeAll": False}}),
        {"Type": "SubscriptionConfirmation", "TopicArn": "arn", "Token": "t"},
        callback("queued"),
        {"type": "com.twilio.messaging.inbound-message.received", "time": STAMP, "data": {}},
    ],
)
def test_what_says_nothing_of_a_message_is_passed_over(tmp_path, record):
    assert of(object, told(tmp_path, record))[:-1] == []


def test_a_text_message_s_life_by_callbacks_and_by_the_event_stream(tmp_path):
    stream = {
        "specversion": "1.0", "type": "com.twilio.messaging.message.delivered", "time": STAMP,
        "data": {"messageSid": "SM1", "to": "+12125550100", "messagingServiceSid": "MG1"},
    }  # fmt: skip
    rows = of(MessageEvent, told(tmp_path, callback("sent"), callback("delivered"), stream))
    assert [(r.event, r.message_id, r.channel, r.phone, r.flow) for r in rows] == [
        (event, "SM1", "sms", "+12125550100", "MG1") for event in ("sent", "delivered", "delivered")
    ]
    assert rows[1] == rows[2]


def test_whoever_stopped_texts_is_not_texted(tmp_path):
    items = told(tmp_path, callback("failed", ErrorCode="21610", To="whatsapp:+12125550100"))
    assert [(r.event, r.reason) for r in of(MessageEvent, items)] == [("dropped", "21610")]
    (wish,) = of(Preference, items)
    assert (wish.channel, wish.allowed, wish.phone) == ("whatsapp", False, "+12125550100")


@pytest.mark.parametrize(
    "record",
    [
        sendgrid("dropped", reason="Unsubscribed Address"),
        sendgrid("dropped", reason="Spam Reporting Address"),
        mailgun("failed", severity="permanent", reason="suppress-unsubscribe"),
        mailgun("failed", severity="permanent", reason="suppress-complaint"),
    ],
)
def test_what_is_not_sent_for_an_opt_out_tells_of_it(tmp_path, record):
    items = told(tmp_path, record)
    assert [row.event for row in of(MessageEvent, items)] == ["dropped"]  # nobody has read it
    (wish,) = of(Preference, items)
    assert (wish.email, wish.allowed, wish.purpose) == (ANN, False, "marketing")


def test_a_callback_without_the_time_it_came_is_kept_out(tmp_path):
    (rejected,) = of(Rejected, told(tmp_path, callback("sent"), received_field="came_at"))
    assert (rejected.column, rejected.reason) == ("came_at", "is missing")


@pytest.mark.parametrize(
    ("record", "allowed", "how"),
    [
        (sendgrid("unsubscribe"), False, "unsubscribed (sendgrid)"),
        (sendgrid("group_resubscribe"), True, "subscribed again (sendgrid)"),
        (mailgun("complained"), False, "complained of spam (mailgun)"),
        (
            postmark("SubscriptionChange", "ChangedAt", SuppressSending=False),
            True,
            "subscribed again (postmark)",
        ),
    ],
)
def test_opt_outs_are_preferences(tmp_path, record, allowed, how):
    (wish,) = of(Preference, told(tmp_path, record))
    assert (wish.channel, wish.purpose, wish.allowed, wish.how) == (
        "email", "marketing", allowed, how,
    )  # fmt: skip
    assert wish.email == ANN


def test_clicks_on_a_mailing_are_touches(tmp_path):
    (touch,) = of(Touchpoint, told(tmp_path, sendgrid("click")))
    assert (touch.kind, touch.utm_source, touch.utm_medium, touch.utm_campaign) == (
        "email_click", "sendgrid", "email", "spring",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("record", "options"),
    [
        (sendgrid("open", sg_machine_open=True), {}),
        (mailgun("opened", **{"client-info": {"bot": "apple"}}), {}),
        (sendgrid("click"), {"flows": [{"match": "spring", "mailing": False}]}),
        (sendgrid("click"), {"flows": [{"match": "SPR*", "purpose": "operations"}]}),
    ],
)
def test_machines_flows_and_service_mail_make_no_touch(tmp_path, record, options):
    items = told(tmp_path, record, **options)
    assert (len(of(MessageEvent, items)), of(Touchpoint, items)) == (1, [])
    assert of(MessageEvent, items)[0].machine is not bool(options)


def test_flows_are_named_by_the_first_rule_that_fits(tmp_path):
    rules = [
        {"match": "letters", "flow": "newsletter"},
        {"match": "*", "flow": "rest", "purpose": "treatment"},
    ]
    items = told(tmp_path, sendgrid("open"), sendgrid("open", category="x"), flows=rules)
    assert [(r.flow, r.purpose) for r in of(MessageEvent, items)] == [
        ("newsletter", "marketing"),
        ("rest", "treatment"),
    ]


@pytest.mark.parametrize(
    "record",
    [
        sendgrid("open", message_id="flow-7", flow="recall"),
        mailgun("opened", **{"user-variables": {"message_id": "flow-7", "flow": "recall"}}),
        postmark("Open", "ReceivedAt", Metadata={"message_id": "flow-7", "flow": "recall"}),
        ses("Open", "open", {}, tags={"message_id": ["flow-7"], "flow": ["recall"]}),
    ],
)
def test_the_sender_s_own_message_id_and_flow_come_first(tmp_path, record):
    (row,) = of(MessageEvent, told(tmp_path, record))
    assert (row.message_id, row.flow) == ("flow-7", "recall")


def test_a_sender_whose_fields_are_left_empty_has_none(tmp_path):
    record = sendgrid("open", message_id="flow-7", flow="recall")
    (row,) = of(MessageEvent, told(tmp_path, record, message_field="", flow_field=""))
    assert (row.message_id, row.flow) == ("abc.recvd-1.0:ann@example.org", "spring")


def test_two_recipients_of_one_mail_have_a_message_each(tmp_path):
    both = (ANN, "bob@example.org")
    rows = of(MessageEvent, told(tmp_path, ses("Send", "send", {}, to=both)))
    assert [(r.message_id, r.email) for r in rows] == [
        ("s-1:ann@example.org", ANN),
        ("s-1:bob@example.org", "bob@example.org"),
    ]


def test_every_way_to_write_a_file_gives_the_same_rows(tmp_path):
    records = [sendgrid("open"), mailgun("clicked"), callback("sent")]
    lines = "".join(f"{json.dumps(r)}\n" for r in records).encode()
    wholes = {
        "a.ndjson": lines,
        "b.json": json.dumps(records).encode(),
        "c.jsonl.gz": gzip.compress(lines),
        "d.ndjson": json.dumps(records).encode() + b"\n\n",
    }
    found = []
    for name, data in wholes.items():
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        (folder / name).write_bytes(data)
        found.append(of(MessageEvent, read(folder)))
    assert found == [found[0]] * 4
    assert len(found[0]) == 3


def test_a_file_is_read_once_and_again_under_other_flows(tmp_path):
    cursors = {"file:events.ndjson": of(Cursor, told(tmp_path, sendgrid("open")))[0].value}
    assert read(tmp_path, cursors) == []
    again = read(tmp_path, cursors, flows=[{"match": "*", "flow": "news"}])
    assert [r.flow for r in of(MessageEvent, again)] == ["news"]


@pytest.mark.parametrize(
    ("record", "column", "reason"),
    [
        ({"hello": "world"}, "", message_events.NOBODY_S),
        ([1], "", message_events.NOBODY_S),
        (sendgrid("open", email=None), "email", "is missing"),
        (sendgrid("open", timestamp="soon"), "timestamp", "is not an instant"),
        (mailgun("opened", timestamp="2026-11-10T12:00:00"), "timestamp", "without a time zone"),
        (callback("sent", received_at="0001-01-01T00:00:00+01:00"), "received_at", "outside the"),
        (mailgun("opened", message={}), "message-id", "is missing"),
        (postmark("Open", "Elsewhere"), "ReceivedAt", "is missing"),
        (sns("no event"), "Message", "is not the JSON of an event"),
    ],
)
def test_a_record_that_cannot_be_read_is_told_without_its_values(tmp_path, record, column, reason):
    items = told(tmp_path, record, sendgrid("click"))
    (rejected,) = of(Rejected, items)
    assert (rejected.column, rejected.row_number) == (column, 1)
    assert reason in rejected.reason
    assert ANN not in repr(rejected)
    assert len(of(MessageEvent, items)) == 1


def test_a_cut_line_is_kept_out_and_a_cut_document_is_refused(tmp_path):
    (tmp_path / "cut.ndjson").write_text(json.dumps(sendgrid("open")) + '\n{"email": "ann@')
    assert len(of(Rejected, read(tmp_path))) == 1
    (tmp_path / "cut.ndjson").rename(tmp_path / "cut.json")
    with pytest.raises(SourceChanged, match="not a whole JSON document"):
        read(tmp_path)


def test_probe_counts_files(tmp_path):
    told(tmp_path, sendgrid("open"))
    assert source(tmp_path).probe().endswith("holds 1 .ndjson to read.")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"folder": ""}, "has no folder"),
        ({"flows": [{"match": "x", "purpose": "fun"}]}, r"flows\[1\]: purpose is none of"),
        ({"flows": [{"flow": "x", "mailing": "yes"}, 7]}, "match is missing; .*; flows.2.: is no"),
        ({"flows": [{"match": "x", "channel": "sms"}]}, "channel is no setting of a flow"),
        ({"flows": "x"}, "flows is no list"),
    ],
)
def test_settings_that_cannot_be_right_are_named(tmp_path, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        source(tmp_path, **options)


def test_two_refreshes_make_one_message_whose_times_are_the_earliest(tmp_path):
    store = create_engine("duckdb:///:memory:", poolclass=StaticPool)
    with store.begin() as connection:
        connection.exec_driver_sql("set timezone = 'UTC'")
        ensure_raw_tables(connection)
    minute = 60
    days = (
        [sendgrid("open", sg_event_id="2", timestamp=UNIX + 9 * minute)],
        [sendgrid("open", sg_event_id="1", timestamp=UNIX + 3 * minute), sendgrid("processed")],
        [sendgrid("open", sg_event_id="2", timestamp=UNIX + 9 * minute)],
    )
    for number, records in enumerate(days):
        (tmp_path / f"{number}.json").write_text(json.dumps(records))
        with store.begin() as connection:
            known = cursors(connection, "hooks", "main")
        loader = Loader(store, Lock(), Door(b"k" * 32), "hooks", "main", "run")
        loaded = [loader.load(piece).rows for piece in source(tmp_path).slices(known)]
        # The last file has the content of the first, so there is nothing to read.
        assert loaded == [[2], [3], []][number]
    with store.begin() as connection:
        found = connection.exec_driver_sql(
            "select count(*), count(distinct message_id), min(\"at\") filter (event = 'opened'), "
            "count(*) filter (message_id like '%abc%' or email like '%example%') "
            "from raw_message_event"
        ).one()
    assert tuple(found) == (3, 1, NOON + timedelta(minutes=3), 0)
    store.dispose()


def test_an_event_that_comes_again_in_another_file_is_the_same_row(tmp_path):
    later = NOON + timedelta(hours=1)
    first = sendgrid("click")
    for name, records in {
        "monday.json": [first, sendgrid("open")],
        "tuesday.json": [sendgrid("delivered", timestamp=int(later.timestamp())), first],
    }.items():
        (tmp_path / name).write_text(json.dumps(records))
    rows = of(MessageEvent, read(tmp_path))
    clicks = [r for r in rows if r.event == "clicked"]
    assert clicks[0] == clicks[1]
    assert len({r.event_id for r in rows}) == 3
