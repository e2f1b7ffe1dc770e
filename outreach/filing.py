"""The way of files: messages are handed over in files for the medical record's own messenger."""

from collections.abc import Sequence

from attribution.paths import Home
from outreach import handoff
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

    def lay_out(self, letters: Sequence[Letter]) -> None:
        handoff.lay_out(self._home, self._flow, letters)

    def hand_over(self, letters: Sequence[Letter]) -> list[Fate]:
        if handoff.hand_over(self._home, self._flow, letters):
            return [Fate("sent")] * len(letters)
        return [Fate("deferred", "taken away before it was handed over")] * len(letters)

    def settled(self, doubts: Sequence[Doubt], _outbox: Outbox) -> dict[str, Fate]:
        gone = handoff.handed_over(self._home, self._flow)
        back = handoff.laid_out(self._home, self._flow) - gone
        return {
            doubt.key: Fate("sent" if doubt.key in gone else "deferred")
            for doubt in doubts
            if doubt.key in gone | back
        }

    def probe(self) -> str:
        return "files are written to the home folder."
