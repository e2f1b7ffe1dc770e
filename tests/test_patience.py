"""Patience: waits, deadlines, and nothing of what a library raised."""

import logging
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest

from attribution.paths import ROOT
from connectors.errors import SourceBusy, SourceRefused, SourceUnreachable
from connectors.patience import (
    Passing,
    Patience,
    in_words,
    no_answer,
    patiently,
    retry_after,
    throttled,
)

QUICK = Patience(attempts=4, first_wait=0.001, jitter=0)
SECRET = "canary-token-1c9"


class Flaky:
    """A call that raises each of `failures` once, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


@pytest.fixture
def waits(monkeypatch):
    """The seconds that stamina asked to sleep, without sleeping them."""
    asked: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=asked.append))
    return asked


def explain(failure):
    if isinstance(failure, PermissionError):
        return SourceRefused("The token was refused.")
    return no_answer("Test source", failure)


def test_a_passing_failure_is_asked_again():
    call = Flaky(ConnectionError("a"), ConnectionError("b"))
    assert patiently(call, explain, QUICK) == "answer"
    assert call.calls == 3


def test_a_terminal_failure_is_not_asked_again():
    call = Flaky(PermissionError(SECRET))
    with pytest.raises(SourceRefused, match=r"The token was refused\."):
        patiently(call, explain, QUICK)
    assert call.calls == 1


def test_attempts_end(waits):
    call = Flaky(*[ConnectionError("x")] * 9)
    with pytest.raises(SourceUnreachable, match="the connection failed"):
        patiently(call, explain, QUICK)
    assert call.calls == 4
    assert waits == [0.001, 0.002, 0.004]


def test_the_wait_that_was_asked_for_is_kept(waits):
    call = Flaky(throttled("Test source", 30.0), throttled("Test source", 0.5))
    assert patiently(call, explain, QUICK) == "answer"
    assert waits == [30.0, 0.5]


def test_the_wait_is_really_slept():
    call = Flaky(throttled("Test source", 0.2))
    started = time.monotonic()
    patiently(call, explain, QUICK)
    assert time.monotonic() - started >= 0.2


def test_a_source_that_asks_for_too_long_is_busy(waits):
    call = Flaky(throttled("Test source", 3600.0, "quota"))
    with pytest.raises(SourceBusy, match=r"busy \(quota\); refresh again in 1 hour\."):
        patiently(call, explain, QUICK)
    assert (call.calls, waits) == (1, [])


def test_no_wait_reaches_past_the_total_deadline(waits):
    call = Flaky(throttled("Test source", 20.0))
    with pytest.raises(SourceBusy):
        patiently(call, explain, Patience(total_seconds=10))
    assert (call.calls, waits) == (1, [])


def test_a_call_that_never_ends_is_left_behind():
    patience = Patience(attempts=2, call_seconds=0.1, first_wait=0.001, jitter=0)
    started = time.monotonic()
    with pytest.raises(SourceUnreachable, match=r"no whole answer within 0\.1 seconds"):
        patiently(lambda: time.sleep(2), explain, patience)
    assert time.monotonic() - started < 1


def test_nothing_of_the_library_s_failure_survives(caplog):
    caplog.set_level(logging.DEBUG)
    call = Flaky(*[ConnectionError(f"GET /?access_token={SECRET}")] * 9)
    with pytest.raises(SourceUnreachable) as caught:
        patiently(call, explain, QUICK)
    error = caught.value
    assert SECRET not in str(error)
    assert SECRET not in caplog.text
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7.0), ("0.25", 0.25), ("-3", 0.0), ("", None), ("soon", None)],
)
def test_retry_after_as_a_number(said, seconds):
    assert retry_after({"Retry-After": said}) == seconds


@pytest.mark.parametrize("after", [None, 0.0])
def test_who_names_no_time_or_none_that_is_left_is_asked_with_growing_pauses(waits, after):
    call = Flaky(*(throttled("Test source", after) for _ in range(9)))
    with pytest.raises(SourceBusy, match="refresh again later"):
        patiently(call, explain, Patience(attempts=4, jitter=0))
    assert waits == [1.0, 2.0, 4.0]


def test_retry_after_as_a_date():
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert retry_after({"retry-after": then}) == pytest.approx(90, abs=3)
    assert retry_after({}) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 second"),
        (45, "45 seconds"),
        (60, "1 minute"),
        (1800, "30 minutes"),
        (7200, "2 hours"),
    ],
)
def test_waits_in_words(seconds, words):
    assert in_words(seconds) == words


def test_a_passing_failure_raised_by_the_call_itself_is_kept():
    call = Flaky(Passing(SourceUnreachable("Half an answer."), 0.0))
    assert patiently(call, explain, QUICK) == "answer"


def test_a_repeat_is_not_printed_where_nobody_set_up_logging():
    program = (
        "from connectors.errors import SourceUnreachable\n"
        "from connectors.patience import Passing, Patience, patiently\n"
        "failures = [Passing(SourceUnreachable('Half an answer.'), 0.0)]\n"
        "def call():\n"
        "    if failures:\n"
        "        raise failures.pop()\n"
        "patiently(call, lambda error: error, Patience())\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT)
    assert run.stderr == b""
