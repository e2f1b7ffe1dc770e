"""The way of files: messages are handed over in files for the medical record's own messenger."""

from collections.abc import Sequence

from attribution.paths import Home
from outreach.handoff import hand_over, handed_over
from outreach.letters import Letter
from outreach.outbox import Outbox
from outreach.ways import Doubt, Fate


class Files:
    """The way of files: all that is handed over together is in one."""

    at_once = 200

    def __init__(self, home: Home, flow: str) -> None:
        self._home, self._flow = home, flow

    def ready(self) -> None:
        """There is nothing to wait for."""

    def close(self) -> None:
        """Nothing is held open."""

    def hand_over(self, letters: Sequence[Letter]) -> list[Fate]:
        hand_over(self._home, self._flow, letters)
        return [Fate("sent")] * len(letters)

    def settled(self, doubts: Sequence[Doubt], _outbox: Outbox) -> dict[str, Fate]:
        there = handed_over(self._home, self._flow)
        return {d.key: Fate("sent") if d.key in there else Fate("deferred") for d in doubts}

    def probe(self) -> str:
        return "files are written to the home folder."
