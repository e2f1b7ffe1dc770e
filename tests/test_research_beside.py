"""Research exports beside earlier ones: what two or more of them tell together, of whom."""

import shutil
from datetime import date

import numpy as np
import pandas as pd
import pytest
import research_fixture as made_up
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from research_fixture import PERMIT, REASON, RULES

from attribution import audit
from attribution.errors import BadInput, StorageError
from attribution.paths import Home
from attribution.research import registry
from attribution.research.coding import coded
from attribution.research.cohort import Cohort, members
from attribution.research.differences import choose_beside, levels_of
from attribution.research.export import Request, _classes, export_research
from attribution.research.reading import tags
from attribution.research.registry import Earlier


def registered(chosen, name="before") -> Earlier:
    tags, places, classes = _classes(chosen)
    order = np.argsort(tags)
    told = tuple(map(tuple, classes))
    return Earlier(
        name, "2026-11-01", levels_of(chosen), tags[order], places[order], told,
        sensitive=chosen.sensitive,
    )  # fmt: skip


def chosen_of(frame, before=(), **cohort):
    table = made_up.as_table(frame)
    inside = members(table, Cohort(**cohort))
    return choose_beside(coded(table, inside, k=11, l=2), inside, RULES, list(before))


def beside(frame, first, last_year):
    try:
        return chosen_of(frame, [registered(first)], last_year=last_year)[0]
    except BadInput:
        return None


@settings(max_examples=12)
@given(st.integers(0, 2**32), st.integers(0, 30), st.integers(0, 30), st.booleans())
def test_the_difference_of_two_exports_tells_of_nobody(seed, came, went, narrower):
    frame = made_up.people(1500, seed)
    first, _ = chosen_of(frame.iloc[came:])
    later = frame.iloc[: len(frame) - went]
    second = beside(later, first, 2024 if narrower else None)
    if second is None:  # refused, which tells nothing
        return
    one, two = levels_of(first), levels_of(second)
    assert all(a <= two[n] for n, a in one.items()) or all(a >= two[n] for n, a in one.items())
    common = [max(one[h.name], two[h.name]) for h in second.coded.hierarchies]
    groups = {
        int(tag): tuple(h.labels[c][leaf] for h, c, leaf in zip(HS, common, row, strict=True))
        for HS in [second.coded.hierarchies]
        for tag, row in zip(second.coded.tags, second.coded.leaves, strict=True)
    }
    before, after = set(first.coded.tags[first.kept]), set(second.coded.tags[second.kept])
    for some in (after - before, before - after):
        sizes = pd.Series([groups[tag] for tag in some if tag in groups], dtype=object)
        gone = sum(tag not in groups for tag in some)
        assert all(size >= 11 or gone for size in sizes.value_counts())


def joined(first, second):
    """The people of both, with the groups of the finer of the two."""
    finer = second if all(levels_of(second)[n] <= a for n, a in levels_of(first).items()) else first
    tags, places, _ = _classes(finer)
    return pd.Series(places, tags)[first.coded.tags[first.kept & second.kept]]


@pytest.mark.parametrize("less_first", [True, False])
def test_what_was_left_out_of_one_of_two_exports_is_varied_in_the_groups_of_the_other(less_first):
    """Rows are matched by their other columns: who has both knows what either tells."""
    table = made_up.as_table(made_up.people(1500).assign(treatment=_rare_treatment))
    inside = members(table, Cohort())
    numbers = coded(table, inside, k=11, l=2)
    orders = [("treatment",), ()] if less_first else [(), ("treatment",)]
    first, _ = choose_beside(numbers, inside, RULES, [], (), orders[0])
    try:
        second, _ = choose_beside(numbers, inside, RULES, [registered(first)], (), orders[1])
    except BadInput:  # which tells nothing
        return
    place = {int(tag): row for row, tag in enumerate(numbers.tags)}
    group = joined(first, second)
    treatment = numbers.codes["treatment"][[place[int(tag)] for tag in group.index]]
    assert (pd.Series(treatment).groupby(group.to_numpy()).nunique() >= 2).all()


def _rare_treatment(frame):
    """One in sixty had an operation."""
    rare = np.random.default_rng(7).random(len(frame)) < 1 / 60
    return np.where(rare, "operation", "injection")


def test_lines_that_one_cohort_folds_are_not_told_by_the_finer_groups_of_another():
    """Of the oldest few are of any line, so theirs are Other: the whole tells them apart."""
    frame = made_up.people(1500).assign(treatment=_rare_treatment)
    alike = {"zip3": "601", "visits": 1, "first_visit": date(2025, 3, 3)}
    frame = frame.assign(age=frame["age"].clip(upper=89), **alike)
    oldest = [
        (92, sex, line, "injection")
        for line in ("dental", "cardiology", "orthopedics")
        for sex in ("female", "male")
        for _ in range(5)
    ]
    frame.loc[frame.index[:30], ["age", "sex", "service_line", "treatment"]] = oldest
    first, _ = chosen_of(frame)
    with pytest.raises(BadInput, match="their rows matched"):
        chosen_of(frame, [registered(first)], age_from=90)


def cells_told(made):
    """How many people were in the same exports, of those and no others, in each group of all."""
    levels = [levels_of(chosen) for chosen in made]
    newest = made[-1].coded
    common = [max(each[h.name] for each in levels) for h in newest.hierarchies]
    frame = pd.DataFrame(
        {
            h.name: np.array(h.labels[level])[leaves]
            for h, level, leaves in zip(newest.hierarchies, common, newest.leaves.T, strict=True)
        }
    )
    for number, chosen in enumerate(made):
        frame[f"in {number}"] = np.isin(newest.tags, chosen.coded.tags[chosen.kept])
    inside = frame[[f"in {number}" for number in range(len(made))]]
    return frame[inside.any(axis=1)].groupby(list(frame.columns)).size()


PLACES = [{"locations": ("North",)}, {"locations": ("South",)}, {}]
SEXES = [{"sexes": ("female",)}, {"sexes": ("male",)}, {}]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 2, 1)], ids=str)
@pytest.mark.parametrize("cohorts", [PLACES, SEXES], ids=["places", "sexes"])
def test_all_less_two_parts_of_it_tells_of_nobody(cohorts, order):
    """Three people are of a third place, or of no sex: what is left of everybody."""
    frame = made_up.people(1500).assign(zip3="601", visits=1, treatment="")
    frame["location"] = np.where(frame.index % 2, "North", "South")
    frame.loc[20:22, ["location", "sex", "service_line"]] = ["Z", "", "dental"]
    made, before, refusal = [], [], ""
    for number, name in zip(order, "abc", strict=True):
        table = made_up.as_table(frame)
        inside = members(table, Cohort(**cohorts[number]))
        numbers = coded(table, inside, k=11, l=2)
        try:
            chosen, _ = choose_beside(numbers, inside, RULES, before, dropped=("sex", "age"))
        except BadInput as refused:  # which tells nothing
            refusal = str(refused)
            break
        made.append(chosen)
        before.append(registered(chosen, name))
    assert len(made) == 3 or any(f"{each.export} of {each.day}" in refusal for each in before)
    assert len(made) > 1
    assert cells_told(made).min() >= 11


def test_what_two_parts_share_is_enough_people():
    """Both and their union give back those who are in both."""
    frame = made_up.people(1500).assign(zip3="601", visits=1, service_line="dental", sex="female")
    frame["location"] = "North"
    frame.loc[frame.index % 2 == 0, "sex"] = "male"
    frame.loc[frame.index % 4 == 0, "location"] = "South"
    frame.loc[[21, 23, 25], "location"] = "South"
    made, before, held = [], [], 0
    for cohort in (Cohort(locations=("South",)), Cohort(sexes=("female",))):
        table = made_up.as_table(frame)
        inside = members(table, cohort)
        numbers = coded(table, inside, k=11, l=2)
        chosen, held = choose_beside(numbers, inside, RULES, before, dropped=("sex", "age"))
        made.append(chosen)
        before.append(registered(chosen))
    assert held == 3
    assert cells_told(made).min() >= 11


def test_who_came_since_is_held_back(tmp_path):
    frame = made_up.people(1500)
    home = made_up.make_home(tmp_path / "home", frame.iloc[:-3])
    first = export_research(home, 1, PERMIT, Request(REASON))
    made_up.publish(home, 2, frame)
    second = export_research(home, 2, PERMIT, Request(REASON))
    held = second.disclosure["suppressed"]["so that an earlier export does not give them away"]
    assert held == "1 to 10"
    assert second.disclosure["people"] == first.disclosure["people"]
    key = (home.research / "key").read_text(encoding="ascii")
    (home.research / "key").write_text(key[::-1], encoding="ascii")
    with pytest.raises(StorageError, match="Put the key back"):
        export_research(home, 2, PERMIT, Request(REASON))
    (home.research / "key").write_text(key, encoding="ascii")
    next(home.research.glob("*.members")).unlink()
    with pytest.raises(StorageError, match="Put it back from a backup"):
        export_research(home, 2, PERMIT, Request(REASON))


def test_who_is_forgotten_leaves_the_registry_and_the_others_stay_protected(tmp_path):
    frame = made_up.people(1500)
    home = made_up.make_home(tmp_path / "home", frame)
    export_research(home, 1, PERMIT, Request(REASON))
    [before] = registry.earlier(home)
    everybody = tags(home, frame["person_id"].to_numpy())
    inside = everybody[np.isin(everybody, before.tags)]
    gone, kept = inside[:1], next(home.research.glob("*.members")).read_bytes()
    assert registry.forget_people(home, "ann", everybody[:0]) == 0
    assert registry.forget_people(home, "ann", gone) == 1
    [after] = registry.earlier(home)
    assert len(after.tags) == len(before.tags)
    assert set(inside.tolist()) - set(after.tags.tolist()) == set(gone.tolist())
    assert gone.astype("<i8").tobytes() not in zstandard.decompress(
        next(home.research.glob("*.members")).read_bytes()
    )
    for one in (before, after):
        sizes = np.bincount(one.places)
        assert len(sizes) == len(one.classes)
    assert np.bincount(after.places).tolist() == np.bincount(before.places).tolist()
    # The next export is as careful about who went as where their number is still known.
    other = Home(tmp_path / "other")
    shutil.copytree(home.folder, other.folder)
    next(other.research.glob("*.members")).write_bytes(kept)
    told = []
    for place in (home, other):
        made_up.publish(place, 2, frame[~np.isin(everybody, gone)])
        told.append(export_research(place, 2, PERMIT, Request(REASON)).disclosure)
    assert told[0] == told[1]
    assert audit.entries(home)["action"].tolist() == [
        audit.RESEARCH_EXPORTED, audit.RESEARCH_FORGOTTEN, audit.RESEARCH_EXPORTED,
    ]  # fmt: skip


def test_who_is_forgotten_has_one_number_in_all_exports(tmp_path):
    frame = made_up.people(1500)
    home = made_up.make_home(tmp_path / "home", frame)
    for _ in range(2):
        export_research(home, 1, PERMIT, Request(REASON))
    was = registry.earlier(home)
    assert registry.forget_people(home, "ann", was[0].tags[:3]) == 2
    new = [set(after.tags) - set(was[0].tags) for after in registry.earlier(home)]
    assert new[0] == new[1]
    assert len(new[0]) == 3
