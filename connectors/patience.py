"""Patience: ask again when a failure may pass, and never for longer than agreed.

A connector's `explain` turns what its client library raised into a `SourceError` (trying again
will not help) or into a `Passing` that carries the error to report if it does not pass. What the
library raised is dropped there: its text can hold a token, an address with a token, or a row.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import stamina

from connectors.errors import SourceBusy, SourceError, SourceUnreachable

T = TypeVar("T")

# A repeat is news for those who set up logging; to others Python would print its bare event name.
logging.getLogger("stamina").addHandler(logging.NullHandler())


class Passing(Exception):
    """A failure that may pass; `error` is what to say if it does not.

    `after` is how many seconds the source asked to be left alone, None where it did not say.
    """

    def __init__(self, error: SourceError, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


Explain = Callable[[Exception], SourceError | Passing]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to bear with a source."""

    attempts: int = 6
    socket_seconds: float = 60.0  # silence on the line, given to the client library
    call_seconds: float = 180.0  # one call, from connecting to the last byte of the answer
    total_seconds: float = 900.0  # one question, with all its repeats and waits
    longest_wait: float = 600.0  # a source that asks for more than this is busy
    first_wait: float = 1.0
    most_wait: float = 60.0
    jitter: float = 1.0
    sleep: Callable[[float], None] = time.sleep  # between looks at a job that runs at the source


def patiently(call: Callable[[], T], explain: Explain, patience: Patience) -> T:
    """What `call` returns, asked again while `explain` says that the failure may pass."""
    deadline = time.monotonic() + patience.total_seconds

    def pause(failure: Exception) -> bool | float:
        if not isinstance(failure, Passing):
            return False
        if not failure.after:
            # None was named, or none is left of it: all tries at once would use them up.
            return True
        too_long = failure.after > patience.longest_wait
        return False if too_long or time.monotonic() + failure.after > deadline else failure.after

    try:
        for attempt in stamina.retry_context(
            on=pause,
            attempts=patience.attempts,
            timeout=patience.total_seconds,
            wait_initial=patience.first_wait,
            wait_max=patience.most_wait,
            wait_jitter=patience.jitter,
        ):
            with attempt:
                return _once(call, explain, patience.call_seconds)
    except Passing as passing:
        error = passing.error
    # Outside the handler, so that no traceback leads from here to what the library raised.
    raise error


def _once(call: Callable[[], T], explain: Explain, seconds: float) -> T:
    """One try; stamina's log sees only what is raised here, which has been explained."""
    value, failure = _within(seconds, call)
    if failure is None:
        return value[0]
    raise failure if isinstance(failure, Passing | SourceError) else explain(failure)


def _within(seconds: float, call: Callable[[], T]) -> tuple[list[T], Exception | None]:
    """The value of `call`, or what it raised, or a TimeoutError after `seconds`.

    The libraries' own time-outs start again with every byte, so an answer that drips would run
    for ever. The call therefore runs in a thread of its own, which is left behind when late; its
    socket's own time-out ends it.
    """
    value: list[T] = []
    failure: list[Exception] = []

    def run() -> None:
        try:
            value.append(call())
        except Exception as error:
            failure.append(error.with_traceback(None))

    thread = threading.Thread(target=run, name="source call", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return value, TimeoutError(f"no whole answer within {seconds:g} seconds")
    return value, failure[0] if failure else None


def no_answer(source: str, failure: Exception) -> Passing:
    """The explanation of a call that got no whole answer: too late, cut off, or never connected."""
    if isinstance(failure, TimeoutError):
        what = str(failure)
    else:
        # Never the text: `requests` puts the whole address, with its token, into it.
        what = f"the connection failed ({type(failure).__name__})"
    return Passing(
        SourceUnreachable(f"{source} did not answer: {what}. Check the network and refresh again.")
    )


def throttled(source: str, after: float | None, why: str = "too many requests") -> Passing:
    """The explanation of an answer that asks to be left alone for `after` seconds."""
    when = f"in {in_words(after)}" if after else "later"
    return Passing(SourceBusy(f"{source} is busy ({why}); refresh again {when}."), after)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds a `Retry-After` header asks for, given as a number or as a date."""
    said = next((v for k, v in headers.items() if k.lower() == "retry-after"), "").strip()
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(said)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())


def in_words(seconds: float) -> str:
    """A wait as a person says it."""
    for size, name in ((3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {name}{'s' if count > 1 else ''}"
    count = max(1, round(seconds))
    return f"{count} second{'s' if count > 1 else ''}"
