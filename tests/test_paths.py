"""Path files: what is read, what is refused, and in which words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attribution.errors import BadInput
from attribution.models import encoding, path_files
from attribution.models.attribute import attribute_file
from attribution.models.path_files import read_paths
from attribution.models.path_frames import encode_frame


def written(folder, text, encoding="utf-8"):
    path = folder / "paths.csv"
    path.write_bytes(text.encode(encoding))
    return path


def steps_of(paths):
    """Each path as its channels, with its conversions."""
    names = [paths.channels[code] for code in paths.codes]
    spans = zip(paths.starts[:-1], paths.starts[1:], strict=True)
    found = [
        (tuple(names[a:b]), n) for (a, b), n in zip(spans, paths.tally.conversions, strict=True)
    ]
    return sorted(found)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("\n  \n", "is empty"),
        ("\ufeff", "is empty"),
        ("path,conversions", "no rows"),
        ("path,conversions\n", "no rows"),
        ("path;conversions\na > b;1\n", "separated by ';'; save it with commas"),
        ("path\tconversions\na > b\t1\n", "separated by .* save it with commas"),
        ("path,conversions\na,1\nb,1e16\n", "Row 3, column conversions, is larger"),
        ("path,conversions,value\na,1,-1e300\n", "Row 2, column value, is larger"),
        ('path,conversions\na,"1,000"\n', "Row 2, column conversions, is not a number"),
        ("path,conversions\na,Infinity\n", "Row 2, column conversions, is not a number"),
        ("path,conversions\na,1\nb\n", "Row 3 of .* 1 fields .* header has 2; give each row"),
        ("path,conversions\n\n\na,1\n\nb\n", "Row 6 of paths.csv has 1 fields"),
        ("path,conversions\n\na,1\n\nb,two\n", "Row 5, column conversions, is not a number"),
        ('path,conversions\n"a\n > b",1\nb,-1\n', "Row 3, column conversions, is negative"),
        ('path,conversions\na,1\n"b > c,1\nd,1\n', "Row 3 .* opens a quotation mark"),
        pytest.param(
            'path,conversions\na,1\n"' + "b > c,1\n" * 600_000, "Row 3 .* quotation mark", id="open"
        ),
        ("sep=,\npath,conversions\na,1\n", "its header is sep=,"),
        ("path;conversions\na > b;2,5\n", "separated by ';'"),
        ("path,conversions\na\0b,1\n", "is not UTF-8 text"),
        ("path,conversions\na,1e-300\n", "Row 2, column conversions, is smaller"),
        ("path,conversions\na,9e14\nb,9e14\n", "Column conversions adds up to more"),
        ("path\na\n", "no column conversions; its header is path"),
        ("channel,count\na,1\n", "no column path and no column conversions"),
        ("path,conversions\na,1\nb,-2\n", "Row 3, column conversions, is negative"),
        ("path,conversions,nulls\na,1,0\nb,2,-1\n", "Row 3, column nulls, is negative"),
        ("path,conversions\na,1\nb,two\n", "Row 3, column conversions, is not a number"),
        ("path,conversions\na,1\nb,\n", "Row 3, column conversions, is empty"),
        ("path,conversions\na,\nb,\n", "Row 2, column conversions, is empty"),
        ("path,conversions\na,nan\n", "Row 2, column conversions, is not a number"),
        ("path,conversions,value\na,1,inf\n", "Row 2, column value, is not a number"),
        ("path,conversions\na,1\nb > > c,1\n", "Row 3, column path,"),
        ("path,conversions\na,1\nb > ,1\n", "Row 3, column path,"),
        ("path,conversions\na,1\na>b,1\n", "Row 3, column path, seems to be separated by '>'"),
        ("path,conversions\na,1\na -> b,1\n", "Row 3, column path, seems .* by ' -> '"),
        ("path,conversions\na > b,1\na>c,1\n", "Row 3, column path, seems .* by '>'"),
        ("path,conversions\na,1\na | b,1\n", r"Row 3, column path, seems .* by '\|'"),
        ("path,conversions\na,0\nb,0\n", "0 in every row"),
        ("path,conversions\na,1\na,b,1\n", "Row 3 of .* 3 fields .* header has 2; put quotes"),
        ("path,conversions,Conversions\na,1,1\n", "two columns conversions"),
        ("path,conversions\nunattributed,1\n", "rename the channel"),
    ],
)
def test_bad_files_are_refused_with_row_and_column(tmp_path, text, reason):
    with pytest.raises(BadInput, match=reason) as caught:
        read_paths(written(tmp_path, text))
    assert "paths.csv" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadInput, match="There is no file"):
        read_paths(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_other_encodings_are_refused_kindly(tmp_path, encoding):
    with pytest.raises(BadInput, match="not UTF-8"):
        read_paths(written(tmp_path, "path,conversions\nCafé,1\n", encoding))


@pytest.mark.parametrize(
    ("opening", "reason"),
    [
        (b"PK\x03\x04", "Excel workbook or a zip"),
        (b"\xd0\xcf\x11\xe0", "old Excel workbook"),
        (b"\x1f\x8b\x08", "is compressed"),
        (b"PAR1", "is a Parquet file"),
        ("path,conversions\na,1\n".encode("utf-16-le"), "not UTF-8"),
    ],
)
def test_files_that_are_no_text_are_named_for_what_they_are(tmp_path, opening, reason):
    path = tmp_path / "paths.csv"
    path.write_bytes(opening + bytes(range(7)))
    with pytest.raises(BadInput, match=reason):
        read_paths(path)


def test_a_row_too_long_to_be_one_is_said_to_be(tmp_path, monkeypatch):
    monkeypatch.setattr(path_files, "_BLOCK", 1 << 10)
    with pytest.raises(BadInput, match="a row longer than 1,024 bytes; look for a quotation mark"):
        read_paths(written(tmp_path, "path,conversions\n" + "a > " * 1_000 + "b,1\n"))


def test_a_folder_or_a_device_is_no_file(tmp_path):
    with pytest.raises(BadInput, match="is a folder"):
        read_paths(tmp_path)
    with pytest.raises(BadInput, match="is a pipe or a device"):
        read_paths(Path("/dev/null"))


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(tmp_path, ending):
    lines = ["\ufeffpath,conversions,nulls", "a > b,2,1", "b,1,4", ""]
    paths = read_paths(written(tmp_path, ending.join(lines)))
    assert steps_of(paths) == [(("a", "b"), 2.0), (("b",), 1.0)]
    assert sorted(paths.tally.nulls) == [1.0, 4.0]


def test_unicode_quotes_and_commas_survive(tmp_path):
    text = '\ufeffpath,conversions\n"Google, paid > Café ""Zürich""",2\n"電話 > email",1.5\n'
    paths = read_paths(written(tmp_path, text))
    assert steps_of(paths) == [(("Google, paid", 'Café "Zürich"'), 2.0), (("電話", "email"), 1.5)]


def test_one_name_spelled_in_two_ways_is_one_channel(tmp_path):
    """An accent may be a character of its own, and nobody sees it."""
    paths = read_paths(written(tmp_path, "path,conversions\ncaf\u00e9,1\ncafe\u0301,2\n"))
    assert steps_of(paths) == [(("caf\u00e9",), 3.0)]


def test_headers_may_be_in_any_case_and_order(tmp_path):
    paths = read_paths(written(tmp_path, "Nulls, Conversions,PATH,note\n4,1,a > b,x\n"))
    assert steps_of(paths) == [(("a", "b"), 1.0)]
    assert paths.tally.nulls.tolist() == [4.0]


@pytest.mark.parametrize("separator", [">", "|", ">>", "→"])
def test_other_separators_can_be_named(tmp_path, separator):
    paths = read_paths(
        written(tmp_path, f"path,conversions\na{separator}b,1\n"), separator=separator
    )
    assert steps_of(paths) == [(("a", "b"), 1.0)]


@pytest.mark.parametrize(("written_with", "named"), [(" > ", "|"), (">", "\\t"), (" -> ", ";")])
def test_a_separator_that_no_path_holds_is_not_believed(tmp_path, written_with, named):
    """Each path would be one channel, and every model would agree on it."""
    with pytest.raises(BadInput, match=f"Row 3, column path, seems .* by '{written_with}'"):
        read_paths(
            written(tmp_path, f"path,conversions\na,1\na{written_with}b,2\n"), separator=named
        )


def test_channels_that_look_like_paths_are_taken_as_they_are_where_that_is_said(tmp_path):
    file = written(tmp_path, 'path,conversions\nGoogle | brand,1\n"a > b, c",2\n')
    with pytest.raises(BadInput, match="or none if each path is one channel"):
        read_paths(file, separator=";")
    assert steps_of(read_paths(file, separator="none")) == [
        (("Google | brand",), 1.0),
        (("a > b, c",), 2.0),
    ]


def test_an_empty_separator_is_refused(tmp_path):
    with pytest.raises(BadInput, match="separator"):
        read_paths(written(tmp_path, "path,conversions\na,1\n"), separator=" ")


def test_duplicate_paths_add_up(tmp_path):
    paths = read_paths(written(tmp_path, "path,conversions\na > b,1\nb,2\na > b,3.5\n"))
    assert steps_of(paths) == [(("a", "b"), 4.5), (("b",), 2.0)]


def test_paths_that_get_the_same_number_are_still_told_apart():
    """The Thue-Morse sequence and its mirror have one number to every base (see `_marks`)."""
    ones = [bin(step).count("1") % 2 for step in range(4_096)]
    path, mirror = (" > ".join("ab"[bit ^ flip] for bit in ones) for flip in (0, 1))
    frame = pd.DataFrame({"path": [mirror, path, "a", path], "conversions": [1, 2, 4, 8]})
    found = encode_frame(frame)
    assert sorted(found.tally.conversions) == [1, 4, 10]
    again = encode_frame(frame.iloc[::-1])
    assert found.codes.tolist() == again.codes.tolist()
    assert found.tally.conversions.tolist() == again.tally.conversions.tolist()


def test_rows_are_read_in_blocks_as_they_are_in_one(monkeypatch):
    rng = np.random.default_rng(2)
    texts = [" > ".join(rng.choice(list("abcdef"), rng.integers(0, 6))) for _ in range(200)]
    frame = pd.DataFrame({"path": texts, "conversions": rng.integers(0, 5, 200)})
    whole = encode_frame(frame)
    monkeypatch.setattr(encoding, "_BLOCK_ROWS", 7)
    monkeypatch.setattr(encoding, "_BLOCK_TOUCHES", 11)
    parts = encode_frame(frame)
    assert parts.channels == whole.channels
    assert parts.codes.tolist() == whole.codes.tolist()
    assert parts.tally.conversions.tolist() == whole.tally.conversions.tolist()


def test_an_empty_path_is_kept_apart(tmp_path):
    paths = read_paths(written(tmp_path, "path,conversions,value\na,1,5\n,2,7\n  ,1,1\n"))
    assert steps_of(paths) == [(("a",), 1.0)]
    assert paths.untouched.conversions.tolist() == [3.0]
    assert paths.untouched.value.tolist() == [8.0]


def test_a_path_of_ten_thousand_touches(tmp_path):
    long = " > ".join(["a", "b"] * 5_000)
    result = attribute_file(written(tmp_path, f"path,conversions,nulls\n{long},1,1\nc,2,3\n"))
    for _, credit in result.groupby("model"):
        assert credit["conversions"].sum() == pytest.approx(3.0, abs=1e-9)
    assert np.isfinite(result["conversions"]).all()


def test_five_thousand_channels(tmp_path):
    rng = np.random.default_rng(1)
    lines = ["path,conversions,nulls"]
    lines += [f"c{i} > c{rng.integers(5_000)},{i % 3},{1 + i % 5}" for i in range(5_000)]
    result = attribute_file(
        written(tmp_path, "\n".join(lines)), ["linear", "markov", "shapley_sum"]
    )
    assert len(result) == 15_000
    for _, credit in result.groupby("model"):
        assert credit["conversions"].sum() == pytest.approx(sum(i % 3 for i in range(5_000)))


def test_progress_is_told(tmp_path):
    heard = []
    attribute_file(
        written(tmp_path, "path,conversions\na,1\n"), ["first", "markov"], 1,
        lambda *step: heard.append(step),
    )  # fmt: skip
    assert heard[0][0] == "read"
    assert heard[0][1] == heard[0][2]
    assert heard[-1] == ("markov", 2, 2)


def test_frames_are_read_like_files():
    frame = pd.DataFrame({"path": ["a > b", None], "conversions": [1, 2]})
    paths = encode_frame(frame)
    assert steps_of(paths) == [(("a", "b"), 1.0)]
    assert paths.untouched.conversions.tolist() == [2.0]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (pd.DataFrame({"path": ["a"]}), "no column conversions"),
        (pd.DataFrame(), "no columns at all"),
        (pd.DataFrame({"path": [], "conversions": []}), "no rows"),
        (pd.DataFrame({"path": ["a", 7], "conversions": [1, 1]}), "Row 2, column path"),
        (pd.DataFrame({"path": ["a"], "conversions": ["x"]}), "Row 1, column conversions"),
        (pd.DataFrame({"path": ["a"], "conversions": [None]}), "Row 1, column conversions"),
        (pd.DataFrame({"path": [["a", "b"]], "conversions": [1]}), "Row 1, column path"),
        (
            pd.DataFrame([["a", 1, 2]], columns=["path", "Conversions", "conversions"]),
            "two columns",
        ),
        (pd.DataFrame({"path": ["a"], "conversions": [1 + 2j]}), "conversions holds complex"),
        (pd.DataFrame({"path": ["a"], "conversions": [pd.Timestamp(0)]}), "holds datetime"),
        (pd.DataFrame({"path": ["a"], "conversions": [pd.Timedelta(1)]}), "holds timedelta"),
        (
            pd.DataFrame({"path": pd.Series(["a", "\ud800"], dtype=object), "conversions": 1}),
            "Row 2, column path, cannot be written",
        ),
        ({"path": ["a"], "conversions": [1]}, "and not from dict"),
    ],
)
def test_bad_frames_are_refused(frame, reason):
    with pytest.raises(BadInput, match=reason):
        encode_frame(frame)


def test_a_frame_of_empty_paths_is_all_unattributed():
    paths = encode_frame(pd.DataFrame({"path": [None, float("nan")], "conversions": [1, 2]}))
    assert not paths.channels
    assert paths.untouched.conversions.tolist() == [3.0]
