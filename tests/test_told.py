"""What the outbox tells the warehouse: everybody in their arm, and each message once."""

from collections.abc import Iterator
from functools import partial

import pytest
from outreach_fixture import CONFIG, FLOW, NOW, SMTP, add_flow, ago
from warehouse_fixtures import Warehouse

from attribution import seeds
from attribution.doors import door
from attribution.paths import Home
from attribution.settings import load
from connectors.contract import MessageEvent
from outreach.outbox import Change, Outbox, Stop
from outreach.outbox_tables import COLUMNS
from outreach.told import Told, tell

KEYS = {"email": "a" * 32, "sms": "b" * 32}


@pytest.fixture
def box(tmp_path) -> Iterator[tuple[Home, Outbox]]:
    """Somebody was planned an e-mail, somebody else a text, of one flow."""
    home = Home(tmp_path)
    home.config.write_text(CONFIG)
    with Outbox(home) as outbox:
        assign(outbox, (1, "mailed", "treated", 1, "email"), (2, "texted", "treated", 1, "sms"))
        rows = []
        for person, (channel, key) in enumerate(KEYS.items(), start=1):
            told = {
                "key": key, "flow": "test", "version": "1", "person_id": person,
                "identifier": f"address of {person}", "owner": ("mailed", "texted")[person - 1],
                "source": "emr", "channel": channel, "state": "planned", "tries": 0,
                "planned_at": ago(1).isoformat(), "next_at": ago(1).isoformat(),
                "at": ago(1).isoformat(), "purpose": "marketing",
            }  # fmt: skip
            rows.append([told.get(name, "") for name in COLUMNS])
        outbox.plan("test", "1", rows)
        yield home, outbox


def assign(outbox: Outbox, *rows: tuple) -> None:
    """Assign people (number, record, arm, days ago, channel) to the flow."""
    outbox.assign(
        ("test", person, "", owner, arm, channel, ago(days).isoformat(), "marketing")
        for person, owner, arm, days, channel in rows
    )


def test_everybody_who_was_assigned_is_told_in_their_arm_sent_to_or_not(box):
    """Who was refused, lost or booked meanwhile counts as treated from the day they were assigned.

    As somebody who was held out does, of whom nobody knows whether they would have been.
    """
    home, outbox = box
    assign(
        outbox,
        (3, "booked", "treated", 1, "email"),
        (4, "held", "holdout", 1, "email"),
        # One record, whose person had another number once.
        (5, "joined", "holdout", 0, "email"),
        (6, "joined", "treated", 1, "email"),
    )
    outbox.move([Change(KEYS["email"], "refused", "capped"), Change(KEYS["sms"], "sent")])
    opened = Warehouse(of=("int_flow_effects", "int_sent_messages", "int_touches"))
    for left in (1, 0):
        assert tell(opened.connection, home, "run") == Told(5 + left)
        opened.load([])  # who is who
        opened.rebuild()
        assert opened.rows(
            "select arm, people + waiting, reached from int_flow_effects order by arm"
        ) == [("holdout", 1, 0), ("treated", 4, 0)]
        assert opened.rows(
            "select count(*), count(distinct person_id), min(assigned_at) from stg_message"
            " where arm = 'treated'"
        ) == [(4 + left, 4, ago(1))]
        for table in ("int_sent_messages", "int_touches"):
            assert opened.rows(f"select count(*) from {table}") == [(left,)]
        # A carrier may say so days later.
        outbox.learned([(KEYS["sms"], "failed", "Twilio 30003")])
    opened.close()


def test_what_carriers_tell_of_our_messages_is_told_of_them(box):
    """A text by Twilio and an e-mail in a server's log are one row each, answers and all."""
    home, outbox = box
    number = f"{KEYS['email']}@harbor.example"
    # As a source's rows are hashed when they are loaded.
    named = partial(door(home, load(home)).hash, "record")
    opened = Warehouse(of=("int_sent_messages",))
    # As an earlier version told them, by the key; of before Message-IDs were kept; and by now.
    for way, receipt, more in (("", "", ""), ("smtp", "", SMTP), ("smtp", number, "")):
        with outbox.transaction() as connection:
            connection.execute(
                "update message set state = 'sent', "
                "way = case channel when 'sms' then 'twilio' else ?1 end, "
                "receipt = case channel when 'sms' then 'SM1' else ?2 end",
                (way, receipt),
            )
        home.config.write_text(CONFIG + more.format(port=25, security="none", more=""))
        assert tell(opened.connection, home, "run") == Told(4)
        ids = opened.rows("select message_id from raw_message where sent_at is not null")
        assert {each for (each,) in ids} == {named("SM1"), named(number if way else KEYS["email"])}
    events = [
        ("SM1", "sent", "sms", "MG1"), ("SM1", "replied", "sms", "MG1"),
        ("SM2", "sent", "sms", "MG1"), (number, "bounced", "email", "mail"),
    ]  # fmt: skip
    opened.load(
        [
            MessageEvent(f"{each[0]} {each[1]}", named(each[0]), NOW, *each[1:], crm_id="somebody")
            for each in events
        ],
        source="carriers",
    )
    opened.rebuild()
    assert opened.rows(
        "select flow, channel, count(*), sum(replied), sum(delivered) from int_sent_messages"
        " group by all order by all"
    ) == [("MG1", "sms", 1, 0, 1), ("test", "email", 1, 0, 0), ("test", "sms", 1, 1, 1)]
    opened.close()


def test_what_a_message_is_for_is_kept_and_older_rows_ask_one_file_each(box):
    """A file that cannot be used, or is gone, makes no other flow's reminders marketing."""
    home, outbox = box
    opened = Warehouse(of=("stg_message",))
    for name, purpose in (("reminder", "treatment"), ("notice", "operations")):
        add_flow(home, name, text=FLOW.replace("marketing", purpose))
    add_flow(home, "broken", text="title = ")
    with outbox.transaction() as connection:  # as an earlier version has it
        for table in ("message", "assignment"):
            connection.execute(f"alter table {table} drop column purpose")
    with Outbox(home) as later:
        later.assign(
            (flow, 1, "", "record", "treated", "email", ago(1).isoformat(), purpose)
            for flow, purpose in (
                *(("reminder", ""), ("broken", "")),
                # It was a notice when it was planned, whatever the file says today.
                *(("removed", "operations"), ("notice", "treatment")),
            )
        )
    told = tell(opened.connection, home, "run")
    assert told == Told(6, ("broken", "test"))
    assert "Older messages of broken, test are told as marketing" in told.sentence
    purposes = (
        "select flow, purpose from raw_message where identifier = 'record' and flow <> 'test'"
        " order by flow"
    )
    known = [("notice", "treatment"), ("reminder", "treatment"), ("removed", "operations")]
    assert opened.rows(purposes) == [("broken", "marketing"), *known]
    # What was read once is kept, and a file that was mended is read.
    (home.folder / "flows" / "reminder.toml").unlink()
    for name in ("broken", "test"):
        add_flow(home, name, text=FLOW.replace("marketing", "operations"))
    told = tell(opened.connection, home, "run")
    assert (told, told.sentence) == (Told(6), "")
    assert opened.rows(purposes) == [("broken", "operations"), *known]
    opened.close()


def test_who_told_us_to_stop_is_told_and_who_bounced_is_not(box):
    """Anew each time; and what the settings say that a STOP means is told with it."""
    home, outbox = box
    outbox.stop(
        [
            Stop("address of 1", "email", at=ago(1).isoformat()),
            Stop("address of 2", "sms", "treatment", at=ago(1).isoformat()),
            Stop("address of 2", "sms", hard=True),
        ]
    )
    opened = Warehouse(of=("stg_stop",))
    for means in ("channel", "purpose"):
        home.config.write_text(CONFIG.replace("[outreach]", f'[outreach]\nstop_means = "{means}"'))
        seeds.write(opened.connection, load(home))
        tell(opened.connection, home, "run")
        assert opened.rows("select is_for_all from setting_stop") == [(means == "channel",)]
        assert opened.rows(
            'select identifier, channel, purpose, "at" from raw_stopped order by identifier'
        ) == [("address of 1", "email", "", ago(1)), ("address of 2", "sms", "treatment", ago(1))]
    opened.close()


def test_which_channels_need_no_permission_is_told_with_the_settings(box):
    home, _ = box
    opened = Warehouse(of=("stg_stop",))
    asked = "select channel from setting_open_channel order by 1"
    unset = opened.rows(asked)
    rule = "\n[outreach.consent.marketing]\n{}\n"
    for said, channels in (
        ("", unset),
        ("direct_mail = 'opt_in'", []),
        ("email = 'opt_out'", [("direct_mail",), ("email",)]),
    ):
        home.config.write_text(CONFIG + rule.format(said))
        seeds.write(opened.connection, load(home))
        assert opened.rows(asked) == channels
    opened.close()
