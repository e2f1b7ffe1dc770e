"""One home on two engines: a copy for the other, and what readers see of both."""

import shutil
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import duckdb
from engines_fixture import difference

from attribution import sql_models, warehouse
from attribution.outreach_settings import Outreach
from attribution.paths import Home
from outreach import audience
from outreach.flow import flows


def newest(home: Home, folder: Path) -> Home:
    """A copy with the published generation alone: this process has the databases open itself."""
    number = f"{warehouse.current_generation(home):06d}"

    def earlier(path: str, names: list[str]) -> list[str]:
        return [name for name in names if path.endswith("generations") and name != number]

    shutil.copytree(home.folder, folder, ignore=earlier)
    return Home(folder)


def audiences(driver: Any, day: date) -> dict[str, list[tuple[object, ...]]]:
    """Whom each flow that ships would mean on a day, asked of a private store."""
    outreach = Outreach()
    now = datetime.combine(day, time(18), UTC)
    found = {}
    for name, flow in flows(Home(Path("/nowhere"))).items():
        audience.ask(driver, flow, outreach, now)
        found[name] = driver.execute("from asked order by all").fetchall()
    return found


def published(one: Path, other: Path, file: str, models: list[sql_models.Model]) -> dict[str, str]:
    """What is not the same in two files that readers open."""
    grains = {model.name: model.grain for model in models}
    with (
        duckdb.connect(str(one / f"{file}.duckdb"), read_only=True) as a,
        duckdb.connect(str(other / f"{file}.duckdb"), read_only=True) as b,
    ):
        names = [name for (name,) in a.execute("select table_name from duckdb_tables()").fetchall()]
        differ = {
            name: difference(
                *(at.execute(f"from {name}").to_arrow_table().to_pandas() for at in (a, b)),
                grains[name],
            )
            for name in names
            if name in grains
        }
    return {name: words for name, words in differ.items() if words}
