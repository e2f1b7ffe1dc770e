"""Clocks of tests: what a module that asks `datetime.now` is told."""

from collections.abc import Callable
from datetime import datetime
from typing import Any


def told(clock: Callable[[], datetime]) -> type[datetime]:
    """To be put in the place of a module's `datetime`: its `now` is what this clock says."""

    class Told(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return clock().astimezone(tz)

    return Told
