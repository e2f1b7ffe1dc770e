"""Naming: whether a payload, which is kept as fetched, names one of some people.

Their identifiers are known as hashes only, so every text of a payload goes through the door as
each kind of identifier. A number that happens to be a forgotten patient's number counts as one:
then a payload goes that need not have, and nothing depends on it.
"""

import re
from collections.abc import Iterator, Sequence, Set
from typing import Any

import orjson

from attribution.normal import WHOLE
from attribution.privacy import Door

_APART = re.compile(r"[,;|\t\r\n\"]+")


def names(payload: bytes, doors: Sequence[Door], people: Set[str]) -> bool:
    """Whether a payload holds an identifier of one of these people (by hash)."""
    said = set(_texts(payload))
    return any(
        not people.isdisjoint(filter(None, door.hashes(kind, said)))
        for door in doors
        for kind in WHOLE
    )


def _texts(payload: bytes) -> Iterator[str]:
    try:
        yield from _leaves(orjson.loads(payload))
    except orjson.JSONDecodeError:
        for text in _APART.split(payload.decode("utf-8", "replace")):
            yield from (text, *text.split())


def _leaves(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str):
            # Reports may come as text inside of JSON.
            yield each
            if len(parts := _APART.split(each)) > 1:
                yield from parts
        elif isinstance(each, int):
            yield str(each)
