"""Work done several pieces at once: each after those that it reads, and none after a failure."""

from dataclasses import dataclass
from threading import Lock, get_ident
from time import sleep

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.side_by_side import AT_ONCE, side_by_side


@dataclass(frozen=True)
class Piece:
    name: str
    inputs: tuple[str, ...]
    beside: tuple[str, ...] = ()


@st.composite
def pieces(draw) -> list[Piece]:
    """Pieces that read some of those before them, and names that nobody makes; in any order."""
    made: list[Piece] = []
    for number in range(draw(st.integers(1, 12))):
        read = draw(st.lists(st.sampled_from(["raw", *(p.name for p in made)]), max_size=3))
        made.append(Piece(f"p{number}", tuple(read[:2]), tuple(read[2:])))
    return draw(st.permutations(made))


class Worked:
    """What was begun and done, and how many pieces were at work at once."""

    def __init__(self, bad: str = "") -> None:
        self.done: list[str] = []
        self.most = self._now = 0
        self._turn, self._bad = Lock(), bad

    def __call__(self, piece: Piece) -> None:
        with self._turn:
            self._now += 1
            self.most = max(self.most, self._now)
            wanted = {name for name in (*piece.inputs, *piece.beside) if name != "raw"}
            assert wanted <= set(self.done)
        sleep(0.0002)
        with self._turn:
            self._now -= 1
            if piece.name == self._bad:
                raise ValueError(piece.name)
            self.done.append(piece.name)


@given(pieces())
@settings(max_examples=40, deadline=None)
def test_each_comes_after_those_that_it_reads(some):
    worked, heard = Worked(), []
    side_by_side(some, worked, lambda name: heard.append((name, get_ident())))
    assert sorted(worked.done) == sorted(p.name for p in some)
    assert {name for name, _ in heard} == set(worked.done)
    assert {thread for _, thread in heard} == {get_ident()}
    assert worked.most <= AT_ONCE


def test_what_need_not_wait_does_not():
    worked = Worked()
    side_by_side([Piece(f"p{n}", ()) for n in range(40)], worked, lambda _name: None)
    assert worked.most > 1


@given(pieces(), st.data())
@settings(max_examples=40, deadline=None)
def test_nothing_that_reads_a_failed_one_is_begun(some, data):
    bad = data.draw(st.sampled_from([p.name for p in some]))
    worked, heard = Worked(bad), []
    with pytest.raises(ValueError, match=f"^{bad}$"):
        side_by_side(some, worked, heard.append)
    assert not {p.name for p in some if bad in (*p.inputs, *p.beside)} & set(heard)


def test_no_work_is_none():
    worked, heard = Worked(), []
    side_by_side([], worked, heard.append)
    assert heard == []
