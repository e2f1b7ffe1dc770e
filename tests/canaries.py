"""Canaries: values that name somebody, planted in what sources say, and the search for them.

`Canaries.plant` changes what a loopback server answers and what is in dropped files; `found`
looks for each in whatever it is given, as it is and as it may be written otherwise.
"""

import json
import re
import sqlite3
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import duckdb
from servers.loopback import Loopback, Reply, Request

from attribution.keys import keyring
from attribution.paths import Home
from attribution.payloads import Payloads

# What samples say of people, and what they say instead. Of a number only the last digits differ
# from person to person.
MAIL, NAME, PHONE, NUMBER, CLICK, TEXT = "mail", "name", "phone", "number", "click", "text"
PLANTED: tuple[tuple[str, str, str], ...] = (
    (MAIL, r"\bann@example\.org", "zq-ann+knee@canary.example"),
    (MAIL, r"\bbo@example\.org", "zqbo@canary.example"),
    (MAIL, r"\bperson(\d)@example\.org", r"zqperson\1@canary.example"),
    (MAIL, r"\bfhir-p(\d)@example\.org", r"zqfhir\1@canary.example"),
    (NAME, r'"(?:Doe|Roe|Poe)"', '"Zqfamily Óconary"'),
    (NAME, r'"Ann"', '"Zqanncanary"'),
    (NAME, r"\bClementine\b", "Zqgivencanary"),
    (NAME, r"SECRET NAME", "Zqcaller Canary"),
    (NAME, r"9 Canary Row", "9 Zqstreet Row"),
    (TEXT, r"SECRET (?:NOTE|TEXT|COMMENT|REPLY)", "Zqnote of a canary"),
    (TEXT, r"\bJane\b", "Zqjanecanary"),
    (TEXT, r"\b[Aa]sked about her knee\b", "zqsubject of a canary"),
    (PHONE, r"\(212\) 555-01(\d\d)", r"(503) 556-01\1"),
    (PHONE, r"\+1 212 555 0102", "+1 503 556 0102"),
    (PHONE, r"\+121255500(\d\d)", r"+150355700\1"),
    (NUMBER, r"\bMRN-(\d)", r"MRN-ZQ7701884\1"),
    (NUMBER, r"\bPatient/p(\d)", r"Patient/ZQ7701885\1"),
    (NUMBER, r'"id": ?"p(\d)"', r'"id": "ZQ7701885\1"'),
    (NUMBER, r"\bL-(\d)\b", r"L-ZQ7701886\1"),
    (NUMBER, r'"C1"', '"ZQ77018871"'),
    (NUMBER, r",C1,", ",ZQ77018871,"),
    (CLICK, r"\bgclid-1\b", "gclidZQ770188"),
    (CLICK, r"\bclick-1\b", "clickZQ770189"),
    (CLICK, r"Cj0KCQ-sample-(\d)", r"Cj0KCQ-ZQ77018\1"),
)  # fmt: skip
# In these two the number is a person's; elsewhere the same one is the clinic's own.
THEIRS = ((PHONE, r"\+12125550(10[01])", r"+15035580\1"),)
_FILES = (".csv", ".json", ".ndjson", ".log")


@dataclass(frozen=True)
class Place:
    """Something that is looked through; in what is large only for what is written in the open."""

    name: str
    content: bytes
    large: bool = False


class Canaries:
    """What was planted, and in which source."""

    def __init__(self) -> None:
        self.values: dict[str, set[str]] = {}  # by kind
        self.sources: Counter[tuple[str, str]] = Counter()  # source and kind

    def plant(self, source: str, server: object) -> None:
        """Let a server say canaries from now on."""
        if not isinstance(server, Loopback):
            return
        answer = server._reply

        def reply(request: Request) -> Reply:
            said = answer(request)
            if said.manner != "whole":
                return said
            body = self._planted(source, said.body)
            return said if body == said.body else Reply(said.status, body, said.headers)

        server._reply = reply  # type: ignore[method-assign]

    def plant_files(self, source: str, folder: Path) -> None:
        """Put canaries into dropped files that are text."""
        for path in folder.rglob("*"):
            if path.suffix in _FILES:
                path.write_bytes(self._planted(source, path.read_bytes()))

    def every(self) -> set[str]:
        """All that must be found nowhere."""
        return set().union(*self.values.values())

    def a(self, kind: str) -> str:
        """One of a kind."""
        return min(self.values[kind])

    def _planted(self, source: str, content: bytes) -> bytes:
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return content
        for kind, said, instead in (*PLANTED, *(THEIRS if source in ("crm", "texts") else ())):
            text = re.sub(said, self._noting(source, kind, instead), text)
        return text.encode()

    def _noting(self, source: str, kind: str, instead: str) -> Callable[[re.Match[str]], str]:
        return lambda found: self._note(source, kind, found.expand(instead))

    def _note(self, source: str, kind: str, value: str) -> str:
        bare = value.removeprefix('"id": ').removeprefix("Patient/").strip('",')
        self.values.setdefault(kind, set()).add(bare)
        self.sources[source, kind] += 1
        return value


def plain(value: str) -> set[bytes]:
    """A value as it may be written in the open, in small letters: in an address, as digits only."""
    forms = {value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]}
    if re.fullmatch(r"\+?1?[\d() -]{10,}", value):
        digits = re.sub(r"\D", "", value)[-10:]
        forms |= {digits, f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"}
    # Of bytes only A to Z have small ones: those of other letters are sought in either case.
    cased = (each for form in forms for each in (form, form.lower(), form.upper()))
    return {each.encode().lower() for each in cased}


def coded(value: str) -> Iterator[bytes]:
    """A value as it may be written otherwise: in Base64, whatever stands before it, or the like."""
    raw = value.encode()
    for before in range(3):
        start, end = -(-before * 4 // 3), (before + len(raw)) // 3 * 4
        yield b64encode(b"x" * before + raw)[start:end]
    yield raw.hex().encode()
    yield value.encode("utf-16-le")


def found(values: Iterable[str], where: Iterable[Place]) -> list[tuple[str, str]]:
    """Which values are in which of some places."""
    every = {value: (plain(value), list(coded(value))) for value in values}
    hits: set[tuple[str, str]] = set()
    for place in where:
        small = place.content.lower()
        hits |= {
            (place.name, value)
            for value, (open_, otherwise) in every.items()
            if any(form in small for form in open_)
            or (not place.large and any(form in place.content for form in otherwise))
        }
    return sorted(hits)


def stored(home: Home) -> Iterator[Place]:
    """Everything in a home folder: names of files, bytes, payloads opened, cells of tables."""
    payloads = Payloads(home, keyring(home).payloads)
    names = [path.relative_to(home.folder).as_posix() for path in home.folder.rglob("*")]
    yield Place("names of files", "\n".join(names).encode())
    for path in sorted(home.folder.rglob("*")):
        if path.is_file():
            yield Place(path.name, path.read_bytes(), large=path.suffix == ".duckdb")
    for path in payloads.every():
        yield Place(f"payload {path.name}", payloads.read(path))
    for path in sorted(home.folder.rglob("*.duckdb")):
        with duckdb.connect(str(path), read_only=True) as database:
            for (table,) in database.execute("select table_name from duckdb_tables()").fetchall():
                cells = database.execute(
                    f"select string_agg(concat_ws(chr(10), *columns(*)), chr(10)) from {table}"
                )
                yield Place(f"{path.name}: {table}", str(cells.fetchall()[0][0]).encode())
    for path in sorted(home.folder.rglob("*.sqlite")):
        database = sqlite3.connect(path)
        yield Place(f"cells of {path.name}", "\n".join(database.iterdump()).encode())
        database.close()
