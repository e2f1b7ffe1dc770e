"""Ways out, each through its real client library against a server that behaves as the real one."""

from collections import Counter

import pytest
from ways_fixture import FLOWS, Others, killing

from attribution.paths import Home
from outreach.outbox import Outbox

PEOPLE = 12


@pytest.fixture(scope="module")
def everybody(tmp_path_factory):
    with Others(tmp_path_factory.mktemp("others")) as others:
        yield others


@pytest.fixture(scope="module")
def home(everybody, tmp_path_factory) -> Home:
    return everybody.clinic(tmp_path_factory.mktemp("clinic") / "home", PEOPLE)


@pytest.fixture
def others(everybody, home):
    everybody.empty()
    everybody.tell(home)
    return everybody


def test_killed_senders_lose_nothing_and_double_nothing_on_any_way(home, others):
    """Killed at random moments: before it was heard, and after what it asked was done."""
    deaths = {"mail": 4, "texts": 4, "listed": 2, "members": 2, "calls": 2, "tasks": 3}
    moments = {"mail": 40, "texts": 24, "listed": 4, "members": 6, "calls": 6, "tasks": 24}
    killers = killing(home, others, deaths, moments, seed=11)
    for name in FLOWS:
        assert not killers[name].left, name
        assert len(killers[name].deaths) == deaths[name]
        wanted = {1: PEOPLE - 2, 2: 1} if name == "texts" else {1: PEOPLE}
        assert Counter(others.times(name).values()) == wanted, (name, killers[name].deaths)
        with Outbox(home) as outbox:
            assert outbox.counts(name) == {"sent": PEOPLE}, name
