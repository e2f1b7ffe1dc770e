"""What other processes take while something is measured, by the kernel's own books."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

_TICKS = os.sysconf("SC_CLK_TCK")


class Processes:
    """Processor seconds and memory of some processes and of all that they start.

    Memory is looked at each `every` seconds: of a process that has much it takes a while.
    """

    def __init__(self, first: Sequence[int], every: float = 0.2) -> None:
        self._first, self._pause = tuple(map(str, first)), every
        self._peak = 0
        self._over = Event()
        self._watch = Thread(target=self._look, daemon=True)
        self._watch.start()

    def seconds(self) -> float:
        """Processor seconds of every process until now, those that ended included."""
        # Children that ended are in the books of whoever started them.
        return sum(sum(_times(pid)) for pid in self._every()) / _TICKS

    def peak(self) -> float:
        """Most bytes of all processes together since this was last asked, shared ones once."""
        self._peak, peak = 0, max(self._peak, self._memory())
        return float(peak)

    def close(self) -> None:
        """Look no more."""
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._over.wait(self._pause):
            self._peak = max(self._peak, self._memory())

    def _memory(self) -> int:
        return sum(_proportional(pid) for pid in self._every())

    def _every(self) -> list[str]:
        found, ahead = [], list(self._first)
        while ahead:
            pid = ahead.pop()
            found.append(pid)
            ahead += _children(pid)
        return found


def _children(pid: str) -> list[str]:
    """What any thread of a process started and that still runs."""
    found: list[str] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += (thread / "children").read_text(encoding="ascii").split()
    return found


def _times(pid: str) -> list[int]:
    """Ticks of a process as user and system, and of its children that ended."""
    with suppress(OSError):
        said = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return [int(each) for each in said[11:15]]
    return [0, 0, 0, 0]


def _proportional(pid: str) -> int:
    """Bytes of a process; of what several share, its part."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
