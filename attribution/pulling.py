"""Pulling: a host that only serves pages takes what another host has published on PostgreSQL.

The files come as they are, each is proved by its SHA-256, and only when all are here and durable
do pages read them: until then, and after any failure, they read what they did. What the server has
let go of, since somebody was forgotten or it grew old, goes here as well.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING

from attribution import audit, generations, warehouse
from attribution.at_rest import owner_only, write_whole
from attribution.errors import BadInput, CaretraceError, StorageError
from attribution.generations import PULLED
from attribution.ledger import Ledger
from attribution.lock import only_one
from attribution.paths import Home

if TYPE_CHECKING:  # it needs the driver, whose lack is said where the server is named
    from attribution.engines.postgresql_files import Offer, Offering

Say = Callable[[str], None]
_TRIES = 3  # where another generation is published while one is taken
LEFT_FREE = 100_000_000  # bytes


def pull(home: Home) -> str:
    """Take what is published now, if it is not here; a sentence on what came.

    Raises BadInput where the installation is not of this kind, Busy while another pull runs,
    StorageError where the server, its rights or this disk will not do.
    """
    home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with warehouse.offering(home) as server, owner_only(), only_one(home):
        _refuse_one_that_refreshes(home)
        for _ in range(_TRIES):
            offer = server.offer()
            if generations.current_generation(home) == offer.generation:
                said = _here(home, offer.generation)
                if said == _listing(offer):
                    _let_go(home, offer)
                    return f"Generation {offer.generation} is here already."
                if set(said) == set(_listing(offer)):
                    raise _another(home, offer.generation)
            if _taken(home, server, offer):
                _publish(home, offer)
                return _told(offer)
    raise StorageError(
        "Each time that files were taken, another generation was published meanwhile. Try again; "
        "pages read what they did."
    )


def follow(home: Home, every: float, say: Say, wait: Callable[[float], None] = sleep) -> None:
    """Pull for good, every so many seconds; what stays as it is is said once."""
    before = ""
    while True:
        try:
            said = pull(home)
        except BadInput:
            raise
        except CaretraceError as error:
            said = str(error)
        if said != before:
            say(said)
        before = said
        wait(every)


def _refuse_one_that_refreshes(home: Home) -> None:
    if not home.ledger.is_file():
        return
    with Ledger(home) as ledger:
        refreshes = len(ledger.runs(1))
    if refreshes:
        raise BadInput(
            f"{home.folder} has refreshes of its own, so nothing is pulled into it. Set "
            "CARETRACE_HOME to the folder of a host that only serves pages."
        )


def _taken(home: Home, server: "Offering", offer: "Offer") -> bool:
    """Whether every file came as it was published; nothing of it counts yet."""
    number = offer.generation
    folder = home.generation(number)
    if _here(home, number) == _listing(offer) and generations.MARTS in _listing(offer):
        return True  # somebody went back to it, and it never left
    free, needed = shutil.disk_usage(home.folder).free, sum(s for s, _ in offer.files.values())
    if free < needed + LEFT_FREE:
        raise StorageError(
            f"{home.folder} has {free / 1e9:.1f} GB free, and the files of generation {number} "
            f"take {needed / 1e9:.1f} GB. Free some space; pages read what they did."
        )
    home.generations.mkdir(mode=0o700, exist_ok=True)
    arriving = home.generations / "arriving"
    shutil.rmtree(arriving, ignore_errors=True)
    arriving.mkdir(mode=0o700)
    try:
        wrong = [
            name
            for name, (_, digest) in offer.files.items()
            if server.take(name, arriving / name) != digest
        ]
        if server.offer().generation != number:
            return False
        if wrong:
            raise StorageError(
                f"{' and '.join(wrong)} of generation {number} did not come as published, so it is "
                "not used. Try again; if it stays so, refresh anew where that is done."
            )
        write_whole(arriving / PULLED, json.dumps(_listing(offer), sort_keys=True).encode("ascii"))
        _put(home, arriving, folder)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
    generations.make_durable(home, number)
    return True


def _put(home: Home, arriving: Path, folder: Path) -> None:
    """Give the folder its name; one that is in the way is of the same generation, with less."""
    if folder.exists():
        away = home.generations / "leaving"
        shutil.rmtree(away, ignore_errors=True)
        folder.rename(away)
        arriving.rename(folder)
        shutil.rmtree(away, ignore_errors=True)
    else:
        arriving.rename(folder)


def _publish(home: Home, offer: "Offer") -> None:
    """Let pages read it, and write down of when it is and how its sources fared."""
    number, before = offer.generation, generations.current_generation(home)
    back = before is not None and number < before
    if back:
        generations.leave_after(home, number)
    with Ledger(home) as ledger:
        ledger.pulled(number, offer.published_at, offer.sources, back=back)
    audit.record(home, audit.operator(), audit.PULLED, f"generation {number}", **_listing(offer))
    generations.point_at(home, number)
    _let_go(home, offer)


def _let_go(home: Home, offer: "Offer") -> None:
    """Remove every generation that the server does not hold any more."""
    for number in generations.numbers(home):
        if number not in offer.kept and number != offer.generation:
            shutil.rmtree(home.generation(number), ignore_errors=True)


def _listing(offer: "Offer") -> dict[str, str]:
    return {name: digest for name, (_, digest) in offer.files.items()}


def _here(home: Home, number: int) -> dict[str, str]:
    """The files of a generation that were pulled before, and their SHA-256."""
    try:
        return dict(json.loads((home.generation(number) / PULLED).read_text(encoding="ascii")))
    except (FileNotFoundError, ValueError):
        return {}


def _another(home: Home, number: int) -> StorageError:
    return StorageError(
        f"{home.folder} holds a generation {number} of another installation. Name the database "
        "that it came from in CARETRACE_WAREHOUSE, or set CARETRACE_HOME to an empty folder."
    )


def _told(offer: "Offer") -> str:
    size = sum(size for size, _ in offer.files.values())
    people = "" if generations.PEOPLE in offer.files else ", without single people"
    return (
        f"Generation {offer.generation} of {offer.published_at[:16].replace('T', ' ')} UTC is "
        f"here{people}: {len(offer.files)} files, {size / 1e6:,.1f} MB. Pages read it from now on."
    )
