"""Work whose pieces wait for each other's results, as many at once as need not wait."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import Protocol, TypeVar

# While one is planned, another is at work and a third is on its way: more only wait in a queue.
AT_ONCE = 4


class Piece(Protocol):
    """What has a name, and names the pieces that it reads."""

    @property
    def name(self) -> str: ...

    @property
    def inputs(self) -> Collection[str]: ...

    @property
    def beside(self) -> Collection[str]: ...


P = TypeVar("P", bound=Piece)


def side_by_side(
    pieces: Sequence[P], work: Callable[[P], None], on_step: Callable[[str], None]
) -> None:
    """Do every piece of work after those that it reads; `on_step` hears each name beforehand.

    `on_step` is called by whoever called this, `work` by threads. Where a piece fails, no other is
    begun, and its error is raised when those that were begun are done.
    """
    by_name = {piece.name: piece for piece in pieces}
    waiting = TopologicalSorter(
        {p.name: {*p.inputs, *p.beside} & by_name.keys() - {p.name} for p in pieces}
    )
    waiting.prepare()
    ready: list[str] = []
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while waiting.is_active():
            ready += waiting.get_ready()
            while ready and len(running) < AT_ONCE:
                name = ready.pop(0)
                on_step(name)
                running[pool.submit(work, by_name[name])] = name
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                each.result()
                waiting.done(running.pop(each))
