"""Power cuts: what was acknowledged is there afterwards, whole, whatever the disk had in hand."""

import pytest
from powerloss.replay import MODELS, without_a_cut
from powerloss.trial import broken, faults, record


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("powerloss")


@pytest.fixture(scope="module")
def operations(place):
    return record(place)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_log_tells_the_whole_story(operations, place, tmp_path):
    """Replayed to its end, it gives the folder that the process left, to the byte."""
    assert {operation.kind for operation in operations} >= set("OTWSMUDR")
    without_a_cut(operations, tmp_path / "again")
    left = contents(place / "home")
    assert len(left) > 10
    assert contents(tmp_path / "again") == left


def test_no_power_cut_loses_what_was_acknowledged(operations, tmp_path):
    assert faults(operations, tmp_path / "cuts", 160) == {model: [] for model in MODELS}


@pytest.mark.parametrize(
    "believed",
    [
        lambda operation: False,
        lambda operation: "CURRENT" not in operation.path,
        lambda operation: not operation.path.endswith("marts.duckdb"),
        lambda operation: not operation.path.endswith("people.duckdb"),
        lambda operation: "ledger" not in operation.path,
        lambda operation: operation.path != "",
        lambda operation: operation.path != "generations",
    ],
    ids=["none", "pointer", "marts", "people", "ledger", "home folder", "generations folder"],
)
def test_a_sync_that_is_left_out_is_noticed(operations, tmp_path, believed):
    """The harness finds faults: without any one of these syncs, some power cut breaks something."""
    assert next(broken(operations, tmp_path / "cuts", 30, believed), None) is not None
