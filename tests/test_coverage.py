"""The warehouse's intervals hold the truth about as often as they say: a small simulation."""

import importlib.util

import pytest

from attribution.models import MODELS
from attribution.paths import ROOT

# Of 25 data sets of 8 channels, which are not independent; the benchmark has 200.
LOOSE = (0.82, 0.97)


@pytest.fixture(scope="module")
def found() -> dict[str, float]:
    place = ROOT / "benchmarks" / "coverage_warehouse.py"
    spec = importlib.util.spec_from_file_location("coverage_warehouse", place)
    assert spec
    assert spec.loader
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    return benchmark.coverage(seed=3, datasets=25, journeys=8_000, order=1)


@pytest.mark.parametrize("what", ["conversions", "value"])
@pytest.mark.parametrize("model", [name for name, model in MODELS.items() if model.weight])
def test_ninety_per_cent_intervals_cover_about_as_much(found, model, what):
    low, high = LOOSE
    assert low <= found[f"{model} {what}"] <= high
