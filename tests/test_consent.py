"""Consent: nobody is let through whom an independent reading of all that was said keeps out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.outreach_settings import OPT_IN, OPT_OUT, Outreach
from outreach.consent import refused, verdicts_sql

START = datetime(2026, 1, 1, tzinfo=UTC)
TODAY = 4  # days after it
CHANNELS, PURPOSES = ("email", "sms"), ("treatment", "marketing")
# By which words a channel is refused, and by which it is allowed.
REFUSED = {"email": {"email", "any", ""}, "sms": {"sms", "text", "phone", "any", ""}}
ALLOWED = {"email": {"email", "any"}, "sms": {"sms", "text", "any"}}
HOW = ("front desk", "answered STOP (twilio)", "signed authorization")
_STAMP = pa.timestamp("us", tz="UTC")

said = st.lists(
    st.tuples(
        st.sampled_from(("preference", "unsubscribed", "bounced", "delivered", "stop")),
        st.sampled_from((*CHANNELS, "any", "text", "phone", "")), st.sampled_from(PURPOSES),
        st.booleans(), st.sampled_from(HOW), st.booleans(), st.integers(0, 6),
        st.none() | st.integers(0, 6), st.none() | st.integers(0, 6),
    ),
    max_size=6,
)  # fmt: skip


@pytest.fixture(scope="module")
def store():
    connection = duckdb.connect()
    connection.execute(
        """
        create table int_people (person_id bigint, deceased boolean);
        create table identity (identifier varchar, person_id bigint);
        insert into identity values ('p', 1);
        create table raw_withdrawn (
            source varchar, account varchar, table_name varchar, record_id varchar,
            withdrawn_at timestamptz
        );
        create table stg_message (
            person_id bigint, utm_medium varchar, purpose varchar, unsubscribed_at timestamptz
        );
        create table raw_preference (
            source varchar, account varchar, preference_id varchar, identifier varchar,
            email varchar, phone varchar, channel varchar, purpose varchar, allowed boolean,
            since timestamptz, starts_at timestamptz, ends_at timestamptz, how varchar,
            updated_at timestamptz
        );
        create table raw_message (
            email varchar, phone varchar, channel varchar, purpose varchar,
            unsubscribed_at timestamptz, bounced_at timestamptz, delivered_at timestamptz
        );
        create table raw_message_event (
            email varchar, phone varchar, channel varchar, purpose varchar, event varchar,
            "at" timestamptz
        );
        """
    )
    yield connection
    connection.close()


def fill(store, told) -> pa.Table:
    """One person, one address; each statement is the person's or only the address's."""
    for table in ("stg_message", "raw_preference", "raw_message_event"):
        store.execute(f"delete from {table}")
    stops = []
    for number, (kind, channel, purpose, allowed, how, of_person, day, *held) in enumerate(told):
        at = START + timedelta(days=day)
        if kind == "preference":
            period = [
                START + timedelta(days=n) if n is not None and allowed else None for n in held
            ]
            whose = ("p", None) if of_person else (None, "x")
            row = [f"{number}", *whose, channel, purpose, allowed, at, *period, how]
            store.execute(
                "insert into raw_preference values "
                "('s', 'a', ?, ?, ?, null, ?, ?, ?, ?, ?, ?, ?, null)",
                row,
            )
        elif kind == "stop":
            stops.append((1 if of_person else None, None if of_person else "x", channel, purpose,
                          at, False))  # fmt: skip
        elif kind == "unsubscribed" and of_person:
            store.execute("insert into stg_message values (1, ?, ?, ?)", [channel, purpose, at])
        else:
            row = ["x", channel, purpose, kind, at]
            store.execute("insert into raw_message_event values (?, null, ?, ?, ?, ?)", row)
    names = ("person_id", "identifier", "channel", "purpose", "since", "hard")
    kinds = (pa.int64(), pa.string(), pa.string(), pa.string(), _STAMP, pa.bool_())
    columns = list(zip(*stops, strict=True)) if stops else [()] * 6
    return pa.table({n: pa.array(c, k) for n, c, k in zip(names, columns, kinds, strict=True)})


def last_words(told):
    """Of what a person wished of a channel for a purpose the last; permissions while they hold."""
    words, others = {}, []
    for kind, where, why, allowed, how, of_person, day, first, last in told:
        one = (kind, where, why, allowed, how, of_person, day)
        ends = TODAY + 1 if last is None else last
        if kind == "preference" and allowed and not max(day, first or 0) <= TODAY < ends:
            continue
        if kind != "preference" or not of_person:
            others.append(one)
        elif (where, why) not in words or (day, not allowed) > words[where, why][0]:
            words[where, why] = (day, not allowed), one
    return [*others, *(one for _, one in words.values())]


def may(told, channel, purpose, rule, *, wide, third_party) -> bool:
    """The law, read one statement after the other."""
    mine, address, bounced = [], [], []
    for kind, where, why, allowed, how, of_person, day in last_words(told):
        if kind in ("bounced", "delivered"):
            if where == channel:
                bounced.append((day, kind == "bounced"))
            continue
        yes = kind == "preference" and allowed
        if where not in (ALLOWED if yes else REFUSED)[channel]:
            continue
        reply = kind != "preference" or "STOP" in how
        if why == purpose or (not yes and wide and reply):
            (mine if of_person else address).append((day, yes, how))
    no = [day for day, yes, _how in mine if not yes]
    yes_days = [day for day, yes, _how in mine if yes]
    if no and max(no) >= max(yes_days, default=-1):
        return False
    signed = [day for day, yes, how in mine if yes and (not third_party or "author" in how)]
    if (rule == OPT_IN or third_party) and not signed:
        return False
    refusals = [day for day, yes, _how in address if not yes]
    if refusals and max(refusals) >= max((d for d, yes, _h in address if yes), default=-1):
        return False
    gone = max((day for day, hard in bounced if hard), default=-1)
    return gone <= max((day for day, hard in bounced if not hard), default=-1)


@settings(max_examples=120)
@given(
    told=said, channel=st.sampled_from(CHANNELS), purpose=st.sampled_from(PURPOSES),
    rule=st.sampled_from((OPT_IN, OPT_OUT)), wide=st.booleans(), third_party=st.booleans(),
)  # fmt: skip
def test_nobody_is_written_to_against_what_was_said(
    store, told, channel, purpose, rule, wide, third_party
):
    rules = replace(
        Outreach(),
        stop_means="channel" if wide else "purpose",
        consent={purpose: {channel: rule}},
    )
    stopped = fill(store, told)
    one = pa.table({"person_id": [1], "channel": [channel], "identifier": ["x"]})
    now = START + timedelta(days=TODAY)
    sql = verdicts_sql(purpose, rules, third_party=third_party, now=now)
    allowed = may(told, channel, purpose, rule, wide=wide, third_party=third_party)
    assert (not refused(store, one, stopped, sql)) == allowed


def test_a_permission_is_none_before_it_begins_and_none_after_its_end(store):
    """A refusal that it stands before, or that it took back, counts then; by the clock alone."""
    one = pa.table({"person_id": [1], "channel": ["email"], "identifier": ["x"]})
    rules = replace(Outreach(), consent={"marketing": {"email": OPT_OUT}})
    no = ("preference", "email", "marketing", False, "front desk", True, 0, None, None)
    yes = ("preference", "email", "marketing", True, "consent", True, 1, 2, 4)
    stopped = fill(store, [no, yes])
    sent = []
    for day in range(6):
        now = START + timedelta(days=day)
        sql = verdicts_sql("marketing", rules, third_party=False, now=now)
        if not refused(store, one, stopped, sql):
            sent.append(day)
    assert sent == [2, 3]


@pytest.mark.parametrize("of_person", [True, False])
def test_a_permission_that_was_withdrawn_lifts_no_refusal(store, of_person):
    """Neither a person's nor that of an address, which a family may share."""
    one = pa.table({"person_id": [1], "channel": ["email"], "identifier": ["x"]})
    rules = replace(Outreach(), consent={"marketing": {"email": OPT_OUT}})
    no = ("stop", "email", "marketing", False, "", of_person, 0, None, None)
    yes = ("preference", "email", "marketing", True, "consent", of_person, 1, None, None)
    stopped = fill(store, [no, yes])
    sql = verdicts_sql("marketing", rules, third_party=False, now=START + timedelta(days=TODAY))
    assert not refused(store, one, stopped, sql)
    store.execute(
        "insert into raw_withdrawn values ('s', 'a', 'preference', '1', ?)",
        [START + timedelta(days=2)],
    )
    found = refused(store, one, stopped, sql)
    store.execute("delete from raw_withdrawn")
    assert found
