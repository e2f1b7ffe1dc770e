"""What counting by another day costs: the model behind it, and pages by each day.

    python benchmarks/date_basis.py var

Processor seconds, as the machine may be busy: of `int_conversion_dates` in SQL, and of the views of
Overview, Channels and Attribution built anew (no cache) by each date basis; medians of seven. Ends
with 1 where a view takes more than 150 ms.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from attribution import queries, warehouse
from attribution.date_basis import BASES
from attribution.paths import ROOT, Home
from attribution.queries import Scope
from attribution.ui.views import attribution, channels, overview

TIMES, MOST_MS = 7, 150
WEEKS = 13
VIEWS = {"overview": overview.build, "channels": channels.build, "attribution": attribution.build}


def cost(act: Callable[[], object]) -> float:
    """Processor milliseconds of one call, the first not counted."""
    act()
    spent = []
    for _ in range(TIMES):
        began = time.process_time()
        act()
        spent.append(time.process_time() - began)
    return 1000 * statistics.median(spent)


def model(home: Home, number: int) -> float:
    """Processor milliseconds of the dates of all conversions."""
    sql = (ROOT / "sql/intermediate/int_conversion_dates.sql").read_text(encoding="utf-8")
    with duckdb.connect(str(home.generation(number) / "private.duckdb"), read_only=True) as store:
        return cost(lambda: store.execute(f"select count(*) from ({sql.strip()})").fetchall())


def main(home: Home) -> int:
    number = warehouse.current_generation(home)
    assert number is not None
    print(f"int_conversion_dates: {model(home, number):,.0f} ms")
    marts = queries.marts(home, number, protected=False)
    last = queries.about(marts).last_week
    slow = 0
    for name, build in VIEWS.items():
        for basis in BASES:
            scope = Scope(last - (WEEKS - 1) * queries.WEEK, last, basis=basis)
            spent = cost(lambda build=build, scope=scope: build(marts, scope))  # type: ignore[misc]
            slow += spent > MOST_MS
            print(f"{name} by {BASES[basis].lower()}: {spent:,.0f} ms")
    return 1 if slow else 0


if __name__ == "__main__":
    raise SystemExit(main(Home(Path(sys.argv[1]))))
