"""What the pages cost: the server as users start it, websocket sessions, and a real browser.

    python benchmarks/pages.py --home var

Prints a line for each figure with its target, and leaves with 1 where one is missed. Takes less
than three minutes. Times on a busy machine are the machine's: its load is printed first.
"""

import argparse
import asyncio
import itertools
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
from page_browser import Load, cold_loads
from page_client import Reader, Run

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    *("overview", "channels", "attribution", "journeys", "reconcile", "reactivation"),
    "data-health",
)
FILTERED = ("overview", "channels", "attribution", "reactivation")  # journeys know no place
SESSIONS = 20
# Whatever has a row for each touchpoint or person has a column that tells them apart.
SINGLES = """
select distinct table_name
from duckdb_columns()
where
    regexp_matches(table_name, '^(raw|stg|int)_')
    or column_name in ('touch_id', 'person_id', 'identifier', 'conversion_id')
"""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Sheet:
    """Prints figures beside their targets."""

    missed: int = 0

    def line(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        most: float | None = None,
        least: float | None = None,
        note: str = "",
    ) -> None:
        target, fine = "", True
        if most is not None:
            target, fine = f"at most {most:g}", value <= most
        elif least is not None:
            target, fine = f"at least {least:g}", value >= least
        self.missed += not fine
        verdict = f"[{target}: {'ok' if fine else 'MISSED'}]" if target else ""
        print(f"{name:<58}{value:>10,.1f} {unit:<10} {verdict} {note}".rstrip(), flush=True)


@dataclass(slots=True)
class Server:
    """The running server: its process and its address."""

    process: subprocess.Popen[bytes]
    address: str
    started_in: float

    def cpu(self) -> float:
        """Seconds of processor time that the process has used."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICKS

    def memory(self, which: str = "VmRSS") -> float:
        """Megabytes that the process holds, or held at most (VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith(which)]
        return int(line.split()[1]) / 1024

    def databases(self) -> set[str]:
        """The databases that the process has open."""
        links = Path(f"/proc/{self.process.pid}/fd").iterdir()
        open_files = {link.readlink() for link in links if link.is_symlink()}
        return {file.name for file in open_files if file.suffix in (".duckdb", ".sqlite")}


@contextmanager
def served(home: Path) -> Iterator[Server]:
    """`caretrace serve`, from the command until it answers, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "attribution.cli", "serve", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "CARETRACE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        while not _answers(address):
            if process.poll() is not None or time.perf_counter() - began > 90:
                raise SystemExit("The server did not start.")
            time.sleep(0.05)
        yield Server(process, address, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


async def first_session(server: Server) -> float:
    """Seconds until the first reader after a start has the whole page."""
    began = time.perf_counter()
    async with Reader(server.address, "channels") as reader:
        _sound(await reader.run())
    return time.perf_counter() - began


async def measure_pages(server: Server, sheet: Sheet, reruns: int) -> None:
    """Processor time and bytes of each page: cached, and with filters nobody asked for yet."""
    for page in PAGES:
        async with Reader(server.address, page) as reader:
            sheet.line(f"{page}: message", _sound(await reader.run()).sent_bytes / 1000, "kB",
                       most=60)  # fmt: skip
            choices = _cached_choices(reader)
            for choice in choices:
                _sound(await _take(reader, choice))
            turns = itertools.islice(itertools.cycle(choices), reruns)
            await _cost(server, sheet, f"{page}: cached rerun", reader, turns, 35)
            if page in FILTERED:
                new = _new_choices(reader, max(reruns // 2, 1))
                await _cost(server, sheet, f"{page}: uncached filter", reader, new, 150)


Choice = tuple[tuple[str, tuple[str, ...]], ...]


async def _take(reader: Reader, choice: Choice) -> Run:
    for key, options in choice:
        reader.widgets[key].chosen = options
    return await reader.run()


def _cached_choices(reader: Reader) -> list[Choice]:
    """Four choices to go round in, so that each rerun sends another page."""
    if "period" not in reader.widgets:
        return [()]
    return [(("period", (period,)),) for period in reader.widgets["period"].options[:4]]


def _new_choices(reader: Reader, count: int) -> list[Choice]:
    """Choices of which no two are alike, over all the data, in a random order."""
    lines, places = (
        [c for n in range(1, 4) for c in itertools.combinations(reader.widgets[key].options, n)]
        for key in ("service", "location")
    )
    period = reader.widgets["period"].options[4]
    every = list(itertools.product(lines, places))
    random.Random(5).shuffle(every)
    return [
        (("period", (period,)), ("service", line), ("location", place))
        for line, place in every[:count]
    ]


async def _cost(
    server: Server,
    sheet: Sheet,
    name: str,
    reader: Reader,
    choices: Iterator[Choice] | list[Choice],
    most: float,
) -> None:
    before = server.cpu()
    runs = [_sound(await _take(reader, choice)) for choice in choices]
    if not reader.title.lower().replace(" ", "-").startswith(reader.page):
        raise SystemExit(f"{reader.page} led to {reader.title}.")
    each = (server.cpu() - before) / len(runs) * 1000
    waited = statistics.median(run.seconds for run in runs) * 1000
    largest = max(run.sent_bytes for run in runs) / 1000
    note = f"median wait {waited:.0f} ms, at most {largest:.0f} kB"
    sheet.line(name, each, "ms CPU", most=most, note=note)


async def measure_busy(server: Server, sheet: Sheet, seconds: float) -> None:
    """Twenty readers who never pause, on all pages, with filters that somebody asked for before."""
    until = time.perf_counter() + seconds

    async def read(number: int) -> list[float]:
        waits: list[float] = []
        async with Reader(server.address, PAGES[number % len(PAGES)]) as reader:
            await reader.run()
            for choice in itertools.cycle(_cached_choices(reader)):
                if time.perf_counter() > until:
                    return waits
                waits.append(_sound(await _take(reader, choice)).seconds)
        return waits

    before, began = server.cpu(), time.perf_counter()
    waits = sorted(itertools.chain(*await asyncio.gather(*map(read, range(SESSIONS)))))
    took = time.perf_counter() - began
    note = (
        f"wait p50 {waits[len(waits) // 2] * 1000:.0f} ms, p95 "
        f"{waits[len(waits) * 95 // 100] * 1000:.0f} ms; server had "
        f"{(server.cpu() - before) / took:.2f} of {os.cpu_count()} cores"
    )
    sheet.line(f"{SESSIONS} busy sessions", len(waits) / took, "reruns/s", least=25, note=note)


def _sound(run: Run) -> Run:
    if run.errors:
        raise SystemExit("A page shows an error.")
    return run


def show_loads(sheet: Sheet, loads: Sequence[Load]) -> None:
    """What a browser that had never been here waited for, received, and asked of others."""
    for load in loads:
        note = f"{load.received / 1e6:.2f} MB"
        sheet.line(f"{load.page}: cold load in a browser", load.seconds, "s", note=note)
    outside = sorted({url for load in loads for url in load.outside})
    for url in outside:
        print(f"  asked elsewhere: {url}")
    sheet.line("addresses asked at other origins", len(outside), "", most=0)


def measure_marts(home: Path, server: Server, sheet: Sheet) -> None:
    """What pages can read at all: the marts, none of which has a row for each touchpoint."""
    number = int((home / "CURRENT").read_text())
    folder = home / "generations" / f"{number:06d}"
    # A copy: a process that has a database open keeps others from it.
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "marts.duckdb"
        copy.write_bytes((folder / "marts.duckdb").read_bytes())
        with duckdb.connect(str(copy), read_only=True) as marts:
            names = [
                n for (n,) in marts.execute("select table_name from duckdb_tables()").fetchall()
            ]
            rows = {n: marts.sql(f'select count(*) from "{n}"').fetchall()[0][0] for n in names}
            singles = marts.execute(SINGLES).fetchall()
    print("tables of the marts: " + ", ".join(f"{n} {c:,}" for n, c in sorted(rows.items())))
    sheet.line("tables of the marts with single touches or people", len(singles), "", most=0)
    others = server.databases() - {"marts.duckdb", "ledger.sqlite"}
    sheet.line("other databases that the server has open", len(others), "", most=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="a home folder after a refresh")
    parser.add_argument("--reruns", type=int, default=60, help="reruns of each page (60)")
    parser.add_argument("--seconds", type=float, default=15, help="how long to be busy (15)")
    parser.add_argument("--no-browser", action="store_true")
    options = parser.parse_args()
    sheet, home = Sheet(), options.home.resolve()
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for _ in range(2):
        with served(home) as server:
            sheet.line("from the command to an answer", server.started_in, "s",
                       note=f"{server.cpu():.1f} s CPU")  # fmt: skip
            sheet.line("first session", asyncio.run(first_session(server)), "s", most=1.5)
    with served(home) as server:
        asyncio.run(measure_pages(server, sheet, options.reruns))
        asyncio.run(measure_busy(server, sheet, options.seconds))
        sheet.line("memory after all that", server.memory(), "MB", most=350,
                   note=f"at most {server.memory('VmHWM'):.0f} MB")  # fmt: skip
        measure_marts(home, server, sheet)
        if not options.no_browser:
            show_loads(sheet, cold_loads(server.address, PAGES))
    print(f"load of the machine: {os.getloadavg()[0]:.1f}; {sheet.missed} missed")
    return 1 if sheet.missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
