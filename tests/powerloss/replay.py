"""Power cuts, replayed: from a log of the shim, the folders that a cut may leave behind.

What is modelled: data that were not synced may be lost, kept in part, or torn at a sector; names
that were made, changed or removed in a folder may be undone, the last ones first, until that
folder is synced. Disks that lie about a sync are not modelled.
"""

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 4096
MODELS = ("drop", "prefix", "torn", "subset")
ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that was done; `path` is relative to the folder, empty for the folder itself."""

    kind: str
    path: str
    where: int
    data: bytes


@dataclass(slots=True)
class File:
    """Bytes that are safe, and what was done since the last sync."""

    safe: bytearray = field(default_factory=bytearray)
    waiting: list[Operation] = field(default_factory=list)


@dataclass(slots=True)
class Folder:
    """Names that are safe, and each state of them since the last sync."""

    now: dict[str, "File | Folder"] = field(default_factory=dict)
    states: list[dict[str, "File | Folder"]] = field(default_factory=lambda: [{}])

    def changed(self) -> None:
        self.states.append(dict(self.now))

    def sync(self) -> None:
        self.states = [dict(self.now)]


@dataclass(frozen=True, slots=True)
class Cut:
    """A folder as a power cut left it, and how much had been acknowledged before."""

    folder: Path
    acknowledged: int
    model: str
    at: int


def read_log(log: Path, folder: Path) -> list[Operation]:
    """The operations of a log."""
    content, place, found = log.read_bytes(), 0, []
    root = str(folder)
    while place < len(content):
        kind, name, where, size = struct.unpack_from("<4q", content, place)
        place += 32
        path = content[place : place + name].decode()
        place += name
        data = content[place : place + size] if size > 0 else b""
        place += len(data)
        if chr(kind) == "M":
            data = data.decode().removeprefix(root).lstrip("/").encode()
        found.append(Operation(chr(kind), path.removeprefix(root).lstrip("/"), where, data))
    return found


def cuts(
    operations: list[Operation],
    folder: Path,
    *,
    count: int,
    seed: int,
    synced: Callable[[Operation], bool] = lambda _operation: True,
    since: int = 1,
) -> Iterator[Cut]:
    """Folders after so many power cuts; `synced` says which syncs the disk is to believe in.

    None comes before the operation `since`.
    """
    chance = random.Random(seed)
    moments = sorted(_moments(operations, count, chance, since))
    disk, done, acknowledged = Folder(), 0, 0
    for number, moment in enumerate(moments):
        for operation in operations[done:moment]:
            if operation.path == ACKNOWLEDGED:
                acknowledged += operation.kind == "W"
            elif operation.kind != "S" or synced(operation):
                _do(disk, operation)
        done = moment
        left, model = folder / f"{number:05}", MODELS[number % len(MODELS)]
        _leave(disk, left, model, chance, undo=chance.random() < 0.5)
        yield Cut(left, acknowledged, model, moment)


def _moments(
    operations: list[Operation], count: int, chance: random.Random, since: int
) -> Iterator[int]:
    """When the power is cut: half of the time right after a name was changed or a sync came back.

    Most operations are writes, but what is left out shows between a rename and the next sync.
    """
    turns = [n for n, operation in enumerate(operations, start=1) if operation.kind in "MSUR"]
    turns = [turn for turn in turns if turn >= since]
    for number in range(count):
        yield chance.choice(turns) if number % 2 else chance.randrange(since, len(operations))


def without_a_cut(operations: list[Operation], folder: Path) -> None:
    """Write down the folder as it is when all of the operations are done and nothing is lost."""
    disk = Folder()
    for operation in operations:
        _do(disk, operation)
    _leave(disk, folder, "all", random.Random(0), undo=False)


def _do(disk: Folder, operation: Operation) -> None:
    above, name = _find(disk, operation.path)
    node = above.now.get(name) if name else disk
    if operation.kind in "OD":
        if node is None:
            above.now[name] = File() if operation.kind == "O" else Folder()
            above.changed()
    elif operation.kind in "UR":
        above.now.pop(name)
        above.changed()
    elif operation.kind == "M":
        target, new = _find(disk, operation.data.decode())
        target.now[new] = above.now.pop(name)
        above.changed()
        if target is not above:
            target.changed()
    elif isinstance(node, Folder):
        node.sync()
    elif isinstance(node, File):
        node.waiting.append(operation)
        if operation.kind == "S":
            for waiting in node.waiting:
                _write(node.safe, waiting)
            node.waiting.clear()


def _find(disk: Folder, path: str) -> tuple[Folder, str]:
    *folders, name = path.split("/")
    for part in folders:
        found = disk.now[part]
        assert isinstance(found, Folder)
        disk = found
    return disk, name


def _write(content: bytearray, operation: Operation) -> None:
    where, data = operation.where, operation.data
    if operation.kind == "W":
        content.extend(bytes(max(0, where - len(content))))
        content[where : where + len(data)] = data
    elif operation.kind == "L":
        content.extend(bytes(max(0, where - len(content))))
        del content[where:]
    elif operation.kind == "T":
        content.clear()


def _leave(found: Folder, path: Path, model: str, chance: random.Random, *, undo: bool) -> None:
    """Write down what a power cut leaves of a folder."""
    path.mkdir(mode=0o700)
    # Nothing since the last sync, or any part of it from the beginning.
    names = chance.choice([found.states[0], chance.choice(found.states)]) if undo else found.now
    for name, node in names.items():
        if isinstance(node, Folder):
            _leave(node, path / name, model, chance, undo=undo)
            continue
        content = bytearray(node.safe)
        for operation in _kept(node.waiting, model, chance):
            _write(content, operation)
        (path / name).write_bytes(content)
        (path / name).chmod(0o600)


def _kept(waiting: list[Operation], model: str, chance: random.Random) -> list[Operation]:
    """What reached the disk of the operations that were not synced."""
    if model == "drop":
        return []
    if model == "all":
        return waiting
    if model == "subset":
        return [
            part for operation in waiting for part in _sectors(operation) if chance.random() < 0.5
        ]
    kept = waiting[: chance.randint(0, len(waiting))]
    if model == "torn" and kept:
        sectors = _sectors(kept[-1])
        kept[-1:] = sectors[: chance.randint(0, len(sectors))]
    return kept


def _sectors(operation: Operation) -> list[Operation]:
    if operation.kind != "W":
        return [operation]
    return [
        Operation("W", operation.path, operation.where + at, operation.data[at : at + SECTOR])
        for at in range(0, len(operation.data), SECTOR)
    ]
