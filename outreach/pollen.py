"""Why a warning of pollen means nobody: what its audience was given, and its text cannot tell.

Thresholds are of one measure and sources may tell another; a place may be called otherwise there.
"""

from collections.abc import Iterator
from typing import Any

from outreach.flow import Flow

_ASKED = """
select
    max(greatest(coalesce(pollen_tree, 0), coalesce(pollen_grass, 0), coalesce(pollen_weed, 0))),
    count_if(place in (select location from int_visits))
from stg_environment
where coalesce(pollen_tree, pollen_grass, pollen_weed) is not null
"""


def out_of_reach(driver: Any, flow: Flow) -> Iterator[str]:
    """Why a flow warns nobody: no value reached its `grains`, or none is of where people are."""
    least = flow.parameters.get("grains")
    if "stg_environment" not in flow.sql or not isinstance(least, int | float):
        return
    highest, known = driver.execute(_ASKED).fetchone()
    if highest is None:
        yield (
            "No pollen was ever loaded: this flow needs a source of it "
            "(docs/sources-environment.md)."
        )
        return
    if highest < least:
        yield (
            f"No value of pollen ever reached grains = {least:g}: the highest is {highest:g}. "
            "Google's index ends at 5; say another threshold in a flow of your own "
            "(docs/outreach.md)."
        )
    if not known:
        yield (
            "No place of pollen is called as a place of visits: give places the names that the "
            "medical record gives them (docs/sources-environment.md)."
        )
