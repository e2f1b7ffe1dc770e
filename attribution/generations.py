"""Generations in the home folder: their numbers, their marks, and which one is published.

Whichever engine holds the private store, pages read the files that stand here: `marts.duckdb`,
`people.duckdb` and `viewers.duckdb` of the generation that `CURRENT` names.
"""

import shutil
from pathlib import Path

from attribution.at_rest import sync, write_whole
from attribution.errors import StorageError
from attribution.paths import Home

KEPT_GENERATIONS = 4
PRIVATE, PEOPLE, MARTS = "private.duckdb", "people.duckdb", "marts.duckdb"
VIEWERS = "viewers.duckdb"
PULLED = "pulled.json"  # beside files that came from another host: each with its SHA-256
ROLLED_BACK = "rolled back"
# What the doctor calls the finding of a host that takes files, and needs no sources.
PAGES_ONLY = "pages of another host"


def current_generation(home: Home) -> int | None:
    """The number of the published generation; None before the first refresh."""
    try:
        return int(home.current.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise StorageError(
            f"{home.current} does not hold a generation's number. Run `caretrace rollback`."
        ) from None


def gone(home: Home) -> str:
    """What to do where the published generation is not here any more; "" where it is, or none."""
    number = current_generation(home)
    if number is None or home.generation(number).is_dir():
        return ""
    return (
        f"Generation {number}, which pages are to show, is not in {home.generations}. `caretrace "
        "rollback` shows the one before it, `caretrace refresh` loads every source anew."
    )


def is_pulled(home: Home) -> bool:
    """Whether what pages read came from another host, so that this one only serves them."""
    number = current_generation(home)
    return number is not None and (home.generation(number) / PULLED).is_file()


def numbers(home: Home) -> list[int]:
    """Every generation that there is a folder of, whatever its state, in order."""
    if not home.generations.is_dir():
        return []
    return sorted(int(path.name) for path in home.generations.iterdir() if path.name.isdigit())


def finished(home: Home, *, until: int | None) -> list[int]:
    """Generations that were published once, in order, up to `until`."""
    return [
        number
        for number in numbers(home)
        if (until is None or number <= until)
        and mark_of(home, number) is None
        and _whole(home, number)
    ]


def new_folder(home: Home, number: int, said: str) -> Path:
    """Make the folder of a generation; what is `said` is why it is not published yet."""
    folder = home.generation(number)
    folder.mkdir(mode=0o700)
    set_mark(home, number, said)
    return folder


def set_mark(home: Home, number: int, said: str) -> None:
    """Say of a generation what it goes on from, or why it must not be gone on from."""
    write_whole(_mark(home, number), said.encode("ascii"))


def mark_of(home: Home, number: int) -> str | None:
    """What the mark says; None where a generation was published."""
    try:
        return _mark(home, number).read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return None


def clear(home: Home, number: int, published: int | None) -> None:
    """Remove a generation that a killed refresh or a rollback left; the published one stays."""
    if number == published:
        _mark(home, number).unlink(missing_ok=True)
    elif mark_of(home, number) is not None or not _whole(home, number):
        shutil.rmtree(home.generation(number))


def point_at(home: Home, number: int) -> list[int]:
    """Point pages at a closed generation, and drop the oldest ones; those that are kept."""
    write_whole(home.current, str(number).encode("ascii"))
    _mark(home, number).unlink(missing_ok=True)
    sync(home.generation(number))
    every = finished(home, until=number)
    for old in every[:-KEPT_GENERATIONS]:
        shutil.rmtree(home.generation(old), ignore_errors=True)
    return every[-KEPT_GENERATIONS:]


def before_present(home: Home) -> int:
    """The generation before the published one; raises StorageError where there is none."""
    try:
        present = current_generation(home)
    except StorageError:
        present = None
    before = finished(home, until=None if present is None else present - 1)
    if not before:
        raise StorageError("There is no earlier generation to go back to.")
    return before[-1]


def not_here(number: int) -> str:
    """The beginning of a sentence: a private store is on another engine, or was removed."""
    return f"What was loaded for generation {number} is not in this warehouse"


def leave_after(home: Home, number: int) -> None:
    """Mark every later generation: it is never gone on from, nor gone back to."""
    for left in numbers(home):
        if left > number:
            set_mark(home, left, ROLLED_BACK)


def keep_only(home: Home, number: int) -> int:
    """Remove every generation but this one; returns how many there were. Pages must read it."""
    others = [old for old in numbers(home) if old != number]
    for old in others:
        shutil.rmtree(home.generation(old), ignore_errors=True)
    sync(home.generations)
    return len(others)


def make_durable(home: Home, number: int) -> None:
    """Sync the files of a closed generation, which are their owner's alone from now on."""
    folder = home.generation(number)
    left = sorted(path.name for path in folder.glob("*.wal"))
    if left:
        raise StorageError(f"Generation {number} was not closed whole: {left} was left.")
    for path in (folder / name for name in (PRIVATE, PEOPLE, MARTS, VIEWERS)):
        if path.is_file():
            path.chmod(0o600)
            sync(path)
    sync(folder)
    sync(folder.parent)


def bytes_of(home: Home) -> int:
    """The bytes of the published generation's files; 0 before the first, or where it is gone."""
    base = current_generation(home)
    if base is None or not home.generation(base).is_dir():
        return 0
    return sum(path.stat().st_size for path in home.generation(base).iterdir() if path.is_file())


def _whole(home: Home, number: int) -> bool:
    return (home.generation(number) / MARTS).is_file()


def _mark(home: Home, number: int) -> Path:
    """The file that says that a generation was not, or must not be, published."""
    return home.generation(number) / "unfinished"
