"""All models over path files: their laws, the rules by hand, and the command."""

import argparse
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution import analyst
from attribution.cli import main
from attribution.errors import BadInput
from attribution.models.attribute import COLUMNS, PATH_MODELS, attribute
from attribution.models.path_rules import RuleSettings

CHANNELS = ("email", "direct", "search", "social")
rows = st.tuples(
    st.lists(st.sampled_from(CHANNELS), max_size=6).map(" > ".join),
    st.one_of(st.integers(0, 9), st.floats(0.01, 5)),
    st.integers(0, 500).map(lambda cents: cents / 100),
    st.integers(0, 9),
)


def table(journeys):
    return pd.DataFrame(journeys, columns=["path", "conversions", "value", "nulls"])


def usable(frame):
    touched = frame[frame["path"] != ""]
    return touched["conversions"].sum() > 0 and touched["nulls"].sum() > 0


frames = st.lists(rows, min_size=1, max_size=10).map(table).filter(usable)


def figures(result, model):
    chosen = result[result["model"] == model].set_index("channel")
    return chosen[["conversions", "conversions_low", "conversions_high", "value", "removal_effect"]]


@settings(max_examples=30, deadline=None)
@given(frame=frames, order=st.integers(1, 3))
def test_credit_adds_up_and_lies_in_its_interval(frame, order):
    result = attribute(frame, "all", order)
    assert tuple(result.columns) == COLUMNS
    for model in PATH_MODELS:
        rows = result[result["model"] == model]
        assert rows["conversions"].sum() == pytest.approx(frame["conversions"].sum(), abs=1e-9)
        assert rows["value"].sum() == pytest.approx(frame["value"].sum(), abs=1e-9)
        for column in ("conversions", "value"):
            assert (rows[column] >= -1e-9).all()
            assert (rows[f"{column}_low"] <= rows[column] + 1e-9).all()
            assert (rows[f"{column}_high"] >= rows[column] - 1e-9).all()
        assert rows["removal_effect"].notna().any() == (model in ("markov", "incremental"))
        assert rows["order"].notna().all() == (model == "markov")


@settings(max_examples=15, deadline=None)
@given(frame=frames, data=st.data())
def test_order_of_rows_and_splitting_a_row_change_nothing(frame, data):
    result = attribute(frame, "all", 2)
    shuffled = data.draw(st.permutations(range(len(frame))))
    again = attribute(frame.iloc[list(shuffled)], "all", 2)
    pd.testing.assert_frame_equal(again, result, check_exact=True)
    halves = frame.assign(**{c: frame[c] / 2 for c in ("conversions", "value", "nulls")})
    again = attribute(pd.concat([halves, halves]), "all", 2)
    for model in PATH_MODELS:
        np.testing.assert_allclose(
            figures(again, model)[["conversions", "value"]],
            figures(result, model)[["conversions", "value"]],
            atol=1e-8,
        )


@settings(max_examples=15, deadline=None)
@given(frame=frames)
def test_renaming_channels_changes_nothing(frame):
    names = {"email": "zz email", "search": "Ä search", "social": "0"}
    renamed = frame.assign(
        path=[
            " > ".join(names.get(c, c) for c in path.split(" > ")) if path else ""
            for path in frame["path"]
        ]
    )
    before, after = attribute(frame, "all", 2), attribute(renamed, "all", 2)
    for model in PATH_MODELS:
        old = figures(before, model).rename(index=names).sort_index()
        np.testing.assert_allclose(figures(after, model).sort_index(), old, atol=1e-8)


RULES_BY_HAND = {
    "first": {"social": 4.0},
    "last": {"direct": 4.0},
    "last_non_direct": {"search": 4.0},
    "linear": {"social": 1.0, "email": 1.0, "search": 1.0, "direct": 1.0},
    "position": {"social": 1.6, "email": 0.4, "search": 0.4, "direct": 1.6},
}


@pytest.mark.parametrize("model", RULES_BY_HAND)
def test_rules_by_hand(model):
    frame = pd.DataFrame({"path": ["social > email > search > direct"], "conversions": [4]})
    credit = attribute(frame, model).set_index("channel")["conversions"]
    assert credit[credit > 0].to_dict() == pytest.approx(RULES_BY_HAND[model])


def test_time_decay_halves_each_half_life_of_steps():
    frame = pd.DataFrame({"path": ["a > b > c"], "conversions": [7]})
    result = attribute(frame, "time_decay", settings=RuleSettings(half_life_steps=1))
    assert result["conversions"].tolist() == pytest.approx([1.0, 2.0, 4.0])


@pytest.mark.parametrize(
    ("path", "winner"), [("direct", "direct"), ("(Direct) > direct", "direct")]
)
def test_only_direct_goes_to_the_last(path, winner):
    frame = pd.DataFrame({"path": [path], "conversions": [1]})
    credit = attribute(frame, "last_non_direct").set_index("channel")["conversions"]
    assert credit[winner] == 1.0


def test_two_touches_share_position_equally():
    frame = pd.DataFrame({"path": ["a > b"], "conversions": [1]})
    assert attribute(frame, "position")["conversions"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("model", PATH_MODELS)
def test_conversions_without_a_touch_are_nobodys(model):
    """One package credits them to the last channel of the row before."""
    frame = pd.DataFrame({"path": ["a > b", ""], "conversions": [2, 3], "nulls": [1, 1]})
    credit = attribute(frame, model).set_index("channel")["conversions"]
    assert credit["unattributed"] == 3
    assert credit.drop("unattributed").sum() == pytest.approx(2)


@pytest.mark.parametrize("model", PATH_MODELS)
def test_fractions_and_conversions_without_value_count(model):
    """One package cuts 2.25 down, another drops conversions that brought nothing."""
    frame = pd.DataFrame(
        {"path": ["a", "b"], "conversions": [2.25, 0.5], "value": [0, 10], "nulls": [2, 2]}
    )
    result = attribute(frame, model)
    assert result["conversions"].sum() == pytest.approx(2.75)
    assert result["value"].sum() == pytest.approx(10)
    if model != "shapley_rate":
        assert (result["conversions"] > 0).all()


@pytest.mark.parametrize("model", PATH_MODELS)
def test_value_of_a_path_that_nobody_took_is_shared_all_the_same(model):
    frame = pd.DataFrame(
        {"path": ["a", "b"], "conversions": [1, 0], "value": [0.0, 7.0], "nulls": [1, 0]}
    )
    result = attribute(frame, model)
    assert result["value"].sum() == pytest.approx(7.0)
    assert np.isfinite(result[["value", "value_low", "value_high"]]).all(axis=None)


@pytest.mark.parametrize("model", PATH_MODELS)
def test_refunds_take_credit_back(model):
    frame = pd.DataFrame(
        {
            "path": ["a", "b", "a"],
            "conversions": [2, 3, 1],
            "value": [20, 30, -50],
            "nulls": [4, 4, 4],
        }
    )
    result = attribute(frame, model)
    assert result["value"].sum() == pytest.approx(0, abs=1e-9)
    assert np.isfinite(result[["value", "value_low", "value_high"]]).all(axis=None)


@pytest.mark.parametrize("model", PATH_MODELS)
def test_grouped_and_single_rows_give_one_answer(model):
    """One package gives three answers for one data set, by how its journeys are grouped."""
    grouped = pd.DataFrame(
        {"path": ["a > b", "b"], "conversions": [3, 2], "value": [30, 8], "nulls": [2, 4]}
    )
    single = pd.DataFrame(
        [("a > b", 1, 10, 0)] * 3 + [("a > b", 0, 0, 1)] * 2
        + [("b", 1, 4, 0)] * 2 + [("b", 0, 0, 1)] * 4,
        columns=["path", "conversions", "value", "nulls"],
    )  # fmt: skip
    pd.testing.assert_frame_equal(attribute(grouped, model), attribute(single, model))


@pytest.mark.parametrize("model", PATH_MODELS)
def test_only_untouched_conversions(model):
    frame = pd.DataFrame({"path": ["", "a"], "conversions": [3, 0], "nulls": [0, 4]})
    credit = attribute(frame, model).set_index("channel")["conversions"]
    baseline = {"baseline": 0.0} if model == "incremental" else {}
    assert credit.to_dict() == {"a": 0.0, "unattributed": 3.0} | baseline
    alone = attribute(frame.head(1), model)
    assert alone["channel"].tolist() == [*baseline, "unattributed"]


def test_a_channel_without_conversions_stays_listed():
    frame = pd.DataFrame({"path": ["a", "b"], "conversions": [3, 0], "nulls": [2, 4]})
    result = attribute(frame)
    assert {"a", "b"} <= set.intersection(*result.groupby("model")["channel"].agg(set))
    assert result["conversions"].notna().all()


def test_models_are_chosen_by_name():
    frame = pd.DataFrame({"path": ["a"], "conversions": [1]})
    assert attribute(frame, ["last", "first"])["model"].tolist() == ["last", "first"]
    with pytest.raises(BadInput, match="no model 'lats'"):
        attribute(frame, "lats")
    with pytest.raises(BadInput, match=r"incremental .* column nulls"):
        attribute(frame, "incremental")
    with pytest.raises(BadInput, match="order"):
        attribute(frame, "markov", 5)


@pytest.mark.parametrize("model", ["linear", "markov", "shapley_rate"])
def test_intervals_cover(model):
    """A small version of `benchmarks/coverage.py`."""
    rng = np.random.default_rng(8)
    texts = ["a", "b", "a > b", "b > c", "c > a > b", "a > c"]
    share, rate = np.array([5, 4, 3, 2, 2, 1]) / 17, np.array([0.1, 0.15, 0.3, 0.2, 0.4, 0.25])
    expected = 3_000 * share
    truth = attribute(_drawn(texts, expected * rate, expected * (1 - rate)), model)
    hits = []
    for _ in range(150):
        drawn = _drawn(texts, rng.poisson(expected * rate), rng.poisson(expected * (1 - rate)))
        found = attribute(drawn, model)
        hits.append(
            truth["conversions"].between(found["conversions_low"], found["conversions_high"])
        )
    assert np.mean(hits) == pytest.approx(0.90, abs=0.04)


def _drawn(texts, conversions, nulls):
    return pd.DataFrame({"path": texts, "conversions": conversions, "nulls": nulls})


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    analyst.add_command(parser.add_subparsers())
    return parser.parse_args(["attribute", *map(str, arguments)])


def test_the_command_writes_csv_and_json(tmp_path, capfdbinary):
    source, out = tmp_path / "paths.csv", tmp_path / "out.json"
    source.write_text("path,conversions,nulls\na > b,2,1\n,1,1\n", encoding="utf-8")
    options = parsed(source, "--model", "first,markov", "--order", "2")
    assert options.run(options) == 0
    found = pd.read_csv(io.BytesIO(capfdbinary.readouterr().out))
    assert found["channel"].tolist() == ["a", "b", "unattributed"] * 2
    assert found["value"].isna().all()
    options = parsed(source, "--model", "last", "--format", "json", "--out", out)
    assert options.run(options) == 0
    rows = json.loads(out.read_bytes())
    assert rows[1]["conversions"] == 2.0
    assert rows[1]["order"] is None
    assert set(rows[0]) == set(COLUMNS)


def test_a_channel_that_could_be_a_formula_is_text_in_csv(tmp_path, capfdbinary):
    source = tmp_path / "paths.csv"
    source.write_text('path,conversions\n"=cmd|calc > direct",2\n')
    named = {}
    for form in ("csv", "json"):
        assert main(["attribute", str(source), "--model", "first", "--format", form]) == 0
        said = io.BytesIO(capfdbinary.readouterr().out)
        frame = pd.read_csv(said) if form == "csv" else pd.read_json(said)
        named[form] = frame["channel"].tolist()
    assert named == {"csv": ["'=cmd|calc", "direct"], "json": ["=cmd|calc", "direct"]}


def test_the_command_takes_settings_of_rules(tmp_path, capfd):
    source = tmp_path / "paths.csv"
    source.write_text("path,conversions\na > b > c,4\n", encoding="utf-8")
    models = ["--model", "position", "time_decay"]
    options = ["--position-ends", "0.25", "--half-life", "1"]
    assert main(["attribute", str(source), *models, *options]) == 0
    found = pd.read_csv(io.StringIO(capfd.readouterr().out))
    decay = [4 / 7, 8 / 7, 16 / 7]
    assert found["conversions"].tolist() == pytest.approx([1, 2, 1, *decay])


def test_a_full_disk_leaves_the_answer_of_before(tmp_path, capfd, monkeypatch):
    paths, out = tmp_path / "paths.csv", tmp_path / "answer.csv"
    paths.write_text("path,conversions\na,1\n", encoding="utf-8")
    said = ["attribute", str(paths), "--out", str(out)]
    assert main(said) == 0
    before, whole = out.read_bytes(), Path.write_bytes

    def full(path, content):
        whole(path, content[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(said) == 2
    assert "No space left on device" in capfd.readouterr().err
    assert out.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [out, paths]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--model", "lats"], "no model 'lats'"),
        (["--model", ""], "No model"),
        (["--order", "5"], "1, 2, 3, 4 or auto"),
        (["--order", "second"], "1, 2, 3, 4 or auto"),
        (["--separator", "  "], "separator"),
        (["--out", "nowhere/answer.csv"], "no folder nowhere"),
        (["--out", "."], "is a folder"),
        (["--out", "../here/paths.csv"], "is the file of paths itself"),
        (["--position-ends", "0.6"], "at most 0.5"),
        (["--half-life", "0"], "above 0 steps"),
    ],
)
def test_the_command_refuses_with_two(tmp_path, capfd, monkeypatch, arguments, reason):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    (here / "paths.csv").write_text("path,conversions\na,1\n", encoding="utf-8")
    assert main(["attribute", "paths.csv", *arguments]) == 2
    assert (here / "paths.csv").read_text(encoding="utf-8") == "path,conversions\na,1\n"
    said = capfd.readouterr()
    assert not said.out
    assert reason in said.err
    assert said.err.count("\n") == 1


def test_the_command_does_all_models_and_says_what_it_leaves_out(tmp_path, capfd):
    source = tmp_path / "paths.csv"
    source.write_text("path,conversions,nulls\na > b,20,10\nb,10,30\n", encoding="utf-8")
    assert main(["attribute", str(source), "--order", "auto"]) == 0
    said = capfd.readouterr()
    found = pd.read_csv(io.StringIO(said.out))
    assert tuple(found.columns) == COLUMNS
    assert list(found["model"].unique()) == list(PATH_MODELS)
    assert "only an experiment knows" in said.err
    source.write_text("path,conversions\na > b,20\nb,10\n", encoding="utf-8")
    assert main(["attribute", str(source), "--model", "all", "--format", "json"]) == 0
    said = capfd.readouterr()
    assert "shapley_rate and incremental were left out" in said.err
    assert {"shapley_rate", "incremental"}.isdisjoint(row["model"] for row in json.loads(said.out))


WORKED = {
    "markov": {"email": 1.8947, "search": 1.5789, "social": 0.5263},
    "shapley_sum": {"email": 2.0, "search": 1.5, "social": 0.5},
    "shapley_rate": {"email": 1.5417, "search": 1.5417, "social": 0.9167},
    "linear": {"email": 2.0, "search": 1.5, "social": 0.5},
}


@pytest.mark.parametrize("model", WORKED)
def test_the_example_of_the_docs(model):
    """docs/models-learned.md works these by hand."""
    frame = pd.DataFrame(
        {
            "path": ["search > email", "email", "social > search"],
            "conversions": [2, 1, 1],
            "nulls": [2, 3, 1],
        }
    )
    result = attribute(frame, model).set_index("channel")
    assert result["conversions"].to_dict() == pytest.approx(WORKED[model], abs=5e-5)
    if model == "markov":
        effects = {"email": 0.75, "search": 0.625, "social": 0.208333}
        assert result["removal_effect"].to_dict() == pytest.approx(effects, abs=1e-6)


def test_the_incremental_example_of_the_docs():
    """The prior moves what docs/models-learned.md works by hand by less than one conversion."""
    frame = pd.DataFrame(
        {
            "path": ["", "search", "email", "search > email"],
            "conversions": [100, 250, 200, 400],
            "nulls": [900, 750, 900, 600],
        }
    )
    result = attribute(frame, "incremental").set_index("channel")
    by_hand = {"email": 213.1, "search": 326.9, "baseline": 310.0, "unattributed": 100.0}
    assert result["conversions"].to_dict() == pytest.approx(by_hand, abs=1)
    assert result["conversions"].round(1).tolist() == [212.7, 326.4, 310.8, 100.0]
    effects = {"email": 0.282, "search": 0.433}
    assert result["removal_effect"].dropna().to_dict() == pytest.approx(effects, abs=2e-3)
