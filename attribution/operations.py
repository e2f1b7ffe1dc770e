"""What an operator does from a page: start a refresh, hold sends, go back a generation.

A refresh never runs inside the server: it is the same command in a process of its own, under the
same lock. Whoever clicks a second time is refused plainly: the process that starts it holds a lock
that the started one inherits, so there is no moment between the two.
"""

import os
import subprocess
import sys
from datetime import UTC, date, datetime

from attribution import audit, holding, refresh, warehouse
from attribution import settings as configuration
from attribution.at_rest import writing
from attribution.backfill import part_of
from attribution.errors import Busy, NotAllowed
from attribution.lock import alone, held, is_held
from attribution.paths import Home
from attribution.roles import RUN, Reader

_STARTING = "start.lock"
_RUNNING = "A refresh is running already. Wait until it has ended; its steps are below."
SAID = "Started. Its steps appear below as it goes."
STARTED: list[subprocess.Popen[bytes]] = []  # whose end this process has not taken note of yet


def start_refresh(
    home: Home,
    reader: Reader,
    source: str | None = None,
    since: date | None = None,
    until: date | None = None,
) -> int:
    """Start a refresh, of everything or of one source or some of its days; its process number.

    Raises NotAllowed, BadInput for a source or days that are none, Busy where one runs.
    """
    _may(reader)
    part = part_of(configuration.load(home), source, since, until, datetime.now(UTC).date())
    with alone(home.folder / _STARTING, _RUNNING) as starting:
        if held(home):
            raise Busy(_RUNNING)
        said = {"part": part.sentence} if part else {}
        audit.record(home, reader.name, audit.REFRESH_STARTED, "refresh", **said)
        days = [
            word
            for name, value in (("source", source), ("since", since), ("until", until))
            if value is not None
            for word in (f"--{name}", str(value))
        ]
        with writing(home.folder / "refresh.log") as log:
            STARTED[:] = [each for each in STARTED if each.poll() is None]
            started = subprocess.Popen(
                [sys.executable, "-m", "attribution.cli", "refresh", *days],
                env={**os.environ, "CARETRACE_HOME": str(home.folder.absolute())},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(starting.fileno(),),
                start_new_session=True,
            )
            STARTED.append(started)
    return started.pid


def busy(home: Home) -> bool:
    """Whether a refresh runs, or is about to."""
    return held(home) or is_held(home.folder / _STARTING)


def hold(home: Home, reader: Reader, reason: str) -> None:
    """Hold every send. Raises NotAllowed, BadInput without a reason."""
    _may(reader)
    holding.hold(home, reader.name, reason)


def release(home: Home, reader: Reader) -> None:
    """Let sends go out again. Raises NotAllowed."""
    _may(reader)
    holding.release(home, reader.name)


def earlier(home: Home, generation: int) -> int | None:
    """The generation that can be gone back to from this one; None where there is none."""
    return max((each for each in warehouse.kept(home) if each < generation), default=None)


def roll_back(home: Home, reader: Reader, shown: int) -> int:
    """Show the generation before the one that is `shown` again; its number.

    Raises NotAllowed, Busy, BadInput where it is no longer the one that is shown.
    """
    _may(reader)
    return refresh.rollback(home, reader.name, shown)


def _may(reader: Reader) -> None:
    if not reader.may(RUN):
        raise NotAllowed("Only an administrator may do this.")
