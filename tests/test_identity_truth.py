"""Identity against the truth of a small simulated world, with families, slips and twins."""

from datetime import date

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from attribution.demo import Knobs, tables_of, world
from attribution.demo.pairs import Pairs, measured
from attribution.demo.who import truly
from attribution.settings import IdentitySettings
from attribution.vault import open_vault

UNTIL = date(2026, 11, 22)


@pytest.fixture(scope="module")
def lived():
    return world(4_000, 5, until=UNTIL, days=364, knobs=Knobs(twins=0.01))


def pairs(home, lived, limits=None):
    engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
    with open_vault(home) as vault, engine.begin() as connection:
        _, found = measured(connection, vault, lived, limits or IdentitySettings())
    engine.dispose()
    return found


def test_records_are_joined_rightly_and_nearly_all(home, lived):
    found = pairs(home, lived)
    assert found["records"].true > 50_000
    assert found["records"].precision >= 0.999
    both = found["patients and contacts"]
    assert both.joined - both.right <= 1  # of some nine hundred
    assert min(found["records"].recall, both.recall) >= 0.97


def test_without_limits_families_become_one_person(home, lived):
    """The measure notices: it is limits, names and birth years that keep people apart."""
    found = pairs(home, lived, IdentitySettings(99, 99, 99, 99, tell_apart=False))["records"]
    assert found.precision < 0.98


def test_twins_share_what_everybody_else_has_alone(lived):
    with_twins, without = lived, world(4_000, 5, until=UNTIL, days=364)
    mails = [tables_of(each)["person"]["email"] for each in (with_twins, without)]
    assert mails[0].duplicated(keep=False).sum() > mails[1].duplicated(keep=False).sum() + 10
    assert with_twins.totals() == without.totals()


def test_who_records_are_of_is_read_from_their_numbers(lived):
    found = truly(tables_of(lived))
    assert found["touchpoint"]["owner"].between(0, 3_999).all()
    visits = found["appointment"]
    assert sorted(visits["owner"].unique()) == sorted(set(lived.visits["person"].tolist()))


def test_precision_and_recall_are_of_pairs():
    assert (Pairs(10, 8, 6).precision, Pairs(10, 8, 6).recall) == (0.75, 0.6)
    assert (Pairs(0, 0, 0).precision, Pairs(0, 0, 0).recall) == (1.0, 1.0)
