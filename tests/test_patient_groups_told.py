"""Groups of patients: what viewers are told of them, and what nobody can take away from it."""

import pandas as pd
import patients_fixture as patients
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution import viewer_patients
from attribution.group_queries import DIMENSIONS, OF_JOURNEYS
from attribution.small_cells import LEAST, OTHER, finest

crowds = st.builds(patients.people, st.integers(30, 400), st.integers(0, 50))


@given(crowds)
@settings(max_examples=6, deadline=None)
def test_viewers_are_told_of_eleven_or_more_whatever_they_take_away(crowd):
    whole = patients.marts_of(crowd)
    told = viewer_patients.told(whole)
    for cube, rows in told:
        counted = cube.counted(rows)
        assert ((counted == 0) | (counted >= LEAST)).all(axis=None), cube.name
    cells = {cube.name: rows for cube, rows in told}
    answers = cells["patient_numbers"]
    passives = answers["answers"] - answers["promoters"] - answers["detractors"]
    assert ((passives == 0) | (passives >= LEAST)).all()
    groups = cells["patient_groups"]
    every = groups[groups["condition"] == ""]
    of_every = labels(every)
    # Each later folding joins whole cells of the one before, so no two of them cut a few apart.
    leaves = [tuple(row) for row in crowd[list(DIMENSIONS)].drop_duplicates().to_numpy()]
    for rows in (groups[groups["condition"] == "asthma"], cells["patient_numbers"]):
        coarse = labels(rows)
        joined: dict[tuple[str, ...] | None, set[tuple[str, ...] | None]] = {}
        for leaf in leaves:
            cell = finest(leaf, of_every)
            if cell is not None:
                joined.setdefault(cell, set()).add(finest(cell, coarse))
        assert all(len(where) == 1 for where in joined.values())
    assert few_between(cells) == []
    again = viewer_patients.told(whole, cells)
    for (cube, rows), (_, same) in zip(told, again, strict=True):
        order = [*cube.by, *cube.keys]
        first, second = (each.sort_values(order, ignore_index=True) for each in (rows, same))
        pd.testing.assert_frame_equal(first, second)


def labels(rows: pd.DataFrame) -> set[tuple[str, ...]]:
    return {tuple(row) for row in rows[list(DIMENSIONS)].to_numpy()}


@pytest.mark.parametrize("count", [0, 10])
def test_of_a_few_patients_viewers_are_told_nothing(count):
    for cube, rows in viewer_patients.told(patients.marts_of(patients.people(200).head(count))):
        assert rows.empty, cube.name


def apart(told: dict[str, pd.DataFrame]) -> list[int]:
    """Of each cell of numbers, how many people more or fewer its groups are told to have."""
    numbers, groups = told["patient_numbers"], told["patient_groups"]
    cells = {tuple(row): 0 for row in numbers[list(DIMENSIONS)].to_numpy()}
    every = groups[groups["condition"] == ""]
    for row, people in zip(every[list(DIMENSIONS)].to_numpy(), every["people"], strict=True):
        if (cell := finest(tuple(row), cells)) is not None:
            cells[cell] += people
    return [abs(a - b) for a, b in zip(cells.values(), numbers["people"], strict=True)]


@pytest.mark.parametrize("told_before", [True, False])
def test_groups_and_numbers_are_never_a_few_people_apart(told_before):
    """A group stays as it was where five have come; numbers, told long ago, would be of now."""
    whole = patients.marts_of(patients.people(2000))
    before = {cube.name: rows.copy() for cube, rows in viewer_patients.told(whole)}
    assert set(apart(before)) == {0}
    groups, numbers = before["patient_groups"], before["patient_numbers"]
    groups.loc[groups["condition"].eq("").idxmax(), ["people", "everyone"]] -= 5
    none = numbers.assign(**dict.fromkeys(numbers.select_dtypes("number"), 0))
    before["patient_numbers"] = none if told_before else numbers.iloc[:0]
    told = {cube.name: rows for cube, rows in viewer_patients.told(whole, before)}
    assert len(told["patient_groups"]) == len(groups)
    assert all(number == 0 or number >= 11 for number in apart(told))


def few_between(told: dict[str, pd.DataFrame]) -> list[tuple[object, ...]]:
    """What anybody can take from one another in a cell, where it leaves 1 to 10 people."""
    of = list(OF_JOURNEYS)
    numbers = told["patient_numbers"].groupby(of)[["people", "touched", "arrived"]].sum()
    found: list[tuple[object, ...]] = []
    for cell, rows in told["patient_journeys"].groupby(of):
        people, touched, arrived = map(int, numbers.loc[cell])
        every = rows.groupby("measure")["people"].sum().to_dict()
        none = rows[rows["item"] == ""].groupby("measure")["people"].sum().to_dict()
        none = {measure: none.get(measure, 0) for measure in every}
        left = {f"all {measure}": count - people for measure, count in every.items()}
        left |= {f"untouched {each}": none[each] - people + touched for each in none}
        left |= {"arrived": none.get("days", people - arrived) - people + arrived}
        left |= {"touched, not arrived": touched - arrived}
        for channel in {"first_channel", "last_channel"} & none.keys():
            left |= {f"{each}, {channel}": none[each] - none[channel] for each in none}
        found += [(cell, what, count) for what, count in left.items() if 0 < abs(count) < LEAST]
    return found


def alike(*channels: tuple[str, int]) -> pd.DataFrame:
    """People who differ by their channel alone, so many of each; nobody has anything else."""
    names = [name for name, count in channels for _ in range(count)]
    crowd = patients.people(len(names)).assign(channel=names, way=names)
    crowd[list(DIMENSIONS)] = [patients.KNOWN[name][0] for name in DIMENSIONS]
    crowd[["missers", "was_silent", "came_back", "answers", "promoters", "detractors"]] = 0
    touched = (crowd["channel"] != "").astype("int64")
    nothing = {"asthma": False, "eczema": False}
    return crowd.assign(touched=touched, touches=touched, arrived=touched, **nothing)


def told_of(crowd, before=None) -> dict[str, pd.DataFrame]:
    told = viewer_patients.told(patients.marts_of(crowd), before)
    return {cube.name: rows for cube, rows in told}


def test_days_and_ways_leave_nobody_alone_who_has_a_channel():
    """Five of 150 with a channel have no known way; five elsewhere came before any touch."""
    there = alike(("paid_search", 100), ("email", 50), ("", 50))
    here = there.assign(location="North")
    here.loc[:4, "way"] = ""
    away = there.assign(location="West", arrived=there["touched"].where(there.index > 4, 0))
    near = alike(("paid_search", 60), ("email", 30), ("", 30)).assign(location="South")
    near.loc[:19, "arrived"] = 0
    told = told_of(pd.concat([there, here, away, near], ignore_index=True))
    assert few_between(told) == []
    measures = told["patient_journeys"].groupby("location")["measure"].agg(set).to_dict()
    assert "way" in measures["Harbor"]
    assert measures["North"] == {"first_channel", "last_channel", "days"}
    assert OTHER in measures
    assert not {"West", "South"} & measures.keys()  # alone even the numbers would tell of the five


def test_those_without_a_known_channel_join_no_channel_of_a_few():
    """Numbers say that 12 of 100 have none: told with the 2 of video, these would be known."""
    told = told_of(alike(("paid_search", 60), ("email", 26), ("video", 2), ("", 12)))
    rows = told["patient_journeys"].query("measure == 'first_channel'")
    assert dict(zip(rows["item"], rows["people"], strict=True)) == {
        "paid_search": 60, OTHER: 28, "": 12,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("releases", "people", "by_channel"),
    [
        # Two more people: those of one channel are 13 more, those of another 11 fewer.
        ([(120, 90, 90), (133, 79, 90)], [300, 300], [300, 300]),
        ([(120, 90, 90), (133, 90, 90)], [300, 313], [300, 313]),
        # 18 more, 13 of them by a channel of which this can be told.
        ([(133, 90, 90), (146, 95, 90)], [313, 331], [313, 313]),
        # As many people, 13 more by one channel; later numbers told anew would be 2 apart from it.
        ([(120, 90, 90), (133, 85, 82), (133, 92, 90)], [300, 300, 300], [300, 313, 313]),
    ],
)
def test_ways_and_numbers_are_never_a_few_people_apart(releases, people, by_channel):
    told = None
    for counts, all_of_them, of_channels in zip(releases, people, by_channel, strict=True):
        told = told_of(alike(*zip(("paid_search", "email", ""), counts, strict=True)), told)
        assert few_between(told) == []
        assert apart(told) == [0]
        assert told["patient_numbers"]["people"].sum() == all_of_them
        rows = told["patient_journeys"].query("measure == 'first_channel'")
        assert rows["people"].sum() == of_channels


def test_a_few_more_people_do_not_show_in_the_next_release():
    crowd = patients.people(400, seed=1)
    first = {cube.name: rows for cube, rows in viewer_patients.told(patients.marts_of(crowd))}
    grown = pd.concat([crowd, crowd.iloc[:5]], ignore_index=True)
    for cube, rows in viewer_patients.told(patients.marts_of(grown), first):
        order = [*cube.by, *cube.keys]
        before, after = (
            each.sort_values(order, ignore_index=True) for each in (first[cube.name], rows)
        )
        change = (cube.counted(after) - cube.counted(before)).abs()
        assert ((change == 0) | (change >= LEAST)).all(axis=None), cube.name
