"""Lines of GA4's export that are parsed at once become what they become one by one."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.ga4_export_json import Parser
from connectors.ga4_export_read import _OWN, Wanted, _at_once, _rows
from connectors.ga4_export_traffic import NESTED

WANTED = Wanted("lead_id", last_click=True)
COLUMNS = [*_OWN, *NESTED.values(), *WANTED.params.values()]
WORDS = st.none() | st.text(max_size=4)
NUMBERS = st.integers(0, 2**53)


def parser():
    return Parser([*((name,) for name in _OWN), *NESTED])


def lines_of(events):
    return [(number, orjson.dumps(event)) for number, event in enumerate(events, start=1)]


def at_once(events, by=None):
    found = _at_once(by or parser(), lines_of(events), WANTED)
    assert found is not None
    return [dict(zip(COLUMNS, row, strict=True)) for row in zip(
        *(found[name].to_pylist() for name in COLUMNS), strict=True)]  # fmt: skip


def one_by_one(events):
    row_of = _rows(WANTED)
    return [
        dict(zip(COLUMNS, row_of(orjson.loads(line)), strict=True)) for _, line in lines_of(events)
    ]


def values(as_text):
    whole = NUMBERS.map(str) if as_text else NUMBERS
    return st.fixed_dictionaries(
        {},
        optional={
            "string_value": WORDS,
            "int_value": st.none() | whole,
            "double_value": st.none() | st.floats(0, 1e6, allow_nan=False),
            "other": WORDS,
        },
    )


def events(as_text):
    names = st.sampled_from(["ga_session_id", "lead_id", "source", "unknown"])
    params = st.lists(st.fixed_dictionaries({"key": names, "value": values(as_text)}), max_size=3)
    times = st.integers(1_577_836_800_000_000, 4_102_444_800_000_000)
    campaign = st.none() | st.fixed_dictionaries({}, optional={"source": WORDS, "medium": WORDS})
    return st.fixed_dictionaries(
        {"event_timestamp": times.map(str) if as_text else times, "event_name": WORDS},
        optional={
            "user_id": WORDS,
            "event_params": params,
            "collected_traffic_source": st.none() | st.fixed_dictionaries({"manual_source": WORDS}),
            "session_traffic_source_last_click": st.fixed_dictionaries(
                {"manual_campaign": campaign}
            ),
            "geo": st.fixed_dictionaries({"city": WORDS}),
        },
    )  # fmt: skip


@settings(max_examples=30)
@given(st.booleans().flatmap(lambda as_text: st.lists(events(as_text), min_size=1, max_size=5)))
def test_both_ways_read_the_same(some):
    assert at_once(some) == one_by_one(some)


def test_numbers_are_learned_once_and_read_however_they_are_written():
    by = parser()
    told = {"event_timestamp": 1_795_500_000_000_000, "event_name": "x"}
    last = {"cross_channel_campaign": {"campaign_id": 77}}
    some = [told | {"session_traffic_source_last_click": last}]
    for _ in range(2):
        (row,) = at_once(some, by)
        assert (row["event_timestamp"], row["cross_campaign_id"]) == (1_795_500_000_000_000, "77")


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b'"x"', b'{"event_name": "a"} {"event_name": "b"}', b'{"event_name": "\xff"}',
     b'{"event_timestamp": "soon"}', b'{"event_timestamp": true}', b'{"event_params": 7}'],
)  # fmt: skip
def test_lines_that_are_not_all_alike_are_left_to_be_read_one_by_one(line):
    good = b'{"event_timestamp": "1795500000000000", "event_name": "x"}'
    assert _at_once(parser(), [(1, good), (2, line)], WANTED) is None
