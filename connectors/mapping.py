"""A table of `[[sources.<name>.files]]`: which files it reads, and how they become rows."""

import codecs
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pyarrow as pa

from connectors.blocks import bad_patterns
from connectors.cast import cast
from connectors.contract import BY_TABLE, Field, Row, contract_fields
from connectors.dialect import Dialect
from connectors.ledger_lines import PAYERS, Ledger, ledger_of
from connectors.moments import pattern_of
from connectors.readers import Layout, changed, mismatched
from connectors.spans import Span, spans_of
from connectors.survey_scales import FROM_QUESTIONS, Question, questions_of
from connectors.zones import zones

# What a source does not tell apart is the empty text there, in a row that must have a text.
_MAY_BE_EMPTY = {
    "ad_spend": {"ad_group_id", "ad_group"},
    "web_sessions": {"utm_source", "utm_medium", "campaign_id", "utm_campaign", "landing_group"},
}
_LAYOUT = ("encoding", "delimiter", "quoting", "header_row", "sheet")
_DIALECT = ("decimal", "thousands", "date_format", "datetime_format", "timezone")
_OWN = (
    "match", "row", "columns", "constants", "values", "patterns", "suffixes", "minutes", "ledger",
    "questions", "scales", "ignore",
)  # fmt: skip
_TYPES: dict[str, type] = {
    "columns": dict, "constants": dict, "values": dict, "patterns": dict, "suffixes": dict,
    "ignore": list, "quoting": bool, "header_row": int, "match": str, "encoding": str,
    "delimiter": str, "sheet": str,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileMapping:
    """How the files that match become rows of one kind."""

    match: str
    row: type[Row]
    fields: tuple[Field, ...]
    columns: Mapping[str, str]  # field -> header of its column; a field without one is not here
    constants: Mapping[str, pa.Scalar]
    values: Mapping[str, Mapping[str, str]]
    ignore: frozenset[str] | None
    layout: Layout
    dialect: Dialect
    key: str = field(repr=False)
    patterns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    suffixes: Mapping[str, str] = field(default_factory=dict)
    spans: Mapping[str, Span] = field(default_factory=dict)
    ledger: Ledger | None = None
    # Each question of a survey, with the mapping that makes rows of its answers.
    questions: "tuple[tuple[Question, FileMapping], ...]" = ()
    question: Question | None = None

    def header(self, name: str) -> str:
        """The header of a field's column; a field without one is called by its own name."""
        return self.columns.get(name, name)

    def choose(self, name: str, header: Sequence[str], *, sparse: bool = False) -> list[str]:
        """The columns of a file that are read; SourceChanged where its header cannot be right.

        In a `sparse` file a key that no row has yet may still come.
        """
        problems = [
            f"no column {self.columns[f.name]!r} (for {f.name})"
            for f in self.fields
            if f.name in self.columns
            and self.columns[f.name] not in header
            and self._needs(f, sparse)
        ]
        more = self._more_headers()
        problems += [f"no column {c!r} (for {why})" for c, why in more.items() if c not in header]
        named = list(dict.fromkeys((*self.columns.values(), *more)))
        wanted = [c for c in named if c in header]
        problems += [f"{header.count(c)} columns {c!r}" for c in wanted if header.count(c) > 1]
        # A row without any known name may be no header but values, which are not repeated.
        if self.ignore is not None and wanted:
            extra = [c for c in dict.fromkeys(header) if c not in self.ignore | set(wanted)]
            problems += [f"a column {c!r} that its mapping does not know" for c in extra]
        if len(header) == 1 and not wanted and (mark := _parting(header[0])):
            advice = f'say delimiter = "{mark}" where caretrace.toml describes the file'
            changed(
                name, "is one column as it is read, and parts its columns otherwise", advice=advice
            )
        if problems:
            mismatched(name, f"has {' and '.join(problems)}")
        if not wanted:
            mismatched(name, "has none of the columns that its mapping names")
        return named if sparse else wanted

    def _more_headers(self) -> dict[str, str]:
        """The columns that are read without being a field's own, and what each is for."""
        more = {end: name for name, span in self.spans.items() for end in (span.start, span.end)}
        more |= {question.header: "a question" for question, _ in self.questions}
        return more | (self.ledger.headers() if self.ledger else {})

    def _needs(self, f: Field, sparse: bool) -> bool:
        named = self.columns[f.name] != f.name and not sparse
        return named or (f.required and f.default is None)


def file_mapping(table: object, default_zone: str | None) -> tuple[FileMapping | None, list[str]]:
    """Read one table of the configuration; or everything that is wrong with it."""
    if not isinstance(table, dict):
        return None, ["must be a table with match, row and columns"]
    problems = [
        f"{key} is not a setting of a file"
        for key in table
        if key not in (*_OWN, *_LAYOUT, *_DIALECT)
    ]
    problems += [
        f"{key} must be a {kind.__name__ if kind is not dict else 'table'}"
        for key, kind in _TYPES.items()
        if key in table and not isinstance(table[key], kind)
    ]
    row = BY_TABLE.get(str(table.get("row")))
    if row is None:
        problems.append(f"row must be one of {', '.join(BY_TABLE)}")
    if not table.get("match"):
        problems.append('match is missing: a pattern such as "visits/*.csv"')
    if row is None or problems:
        return None, problems
    layout = Layout(**{key: table[key] for key in _LAYOUT if key in table})
    dialect = _dialect(table, default_zone)
    problems += _unreadable(layout) + _unspeakable(dialect)
    fields = tuple(_relaxed(row, f) for f in contract_fields(row))
    problems += _unknown_fields(row, fields, table)
    if problems:
        return None, problems
    spans, problems = spans_of(table, {f.name: f for f in fields})
    ledger, found = ledger_of(table, row.spec.table)
    questions, more = questions_of(table, row.spec.table)
    problems += found + more + _bad_texts(table, fields)
    if problems:
        return None, problems
    constants, problems = _constants(fields, table.get("constants", {}), dialect)
    columns = {f.name: f.name for f in fields if f.name not in constants}
    columns |= {name: str(column) for name, column in table.get("columns", {}).items()}
    given = set(FROM_QUESTIONS) if questions else set()
    columns = {name: column for name, column in columns.items() if column and name not in given}
    problems += [
        f"{f.name} has no column and no constant, but a {row.spec.table} row needs it"
        for f in fields
        if f.required and f.default is None
        if f.name not in columns.keys() | constants.keys() | spans.keys() | given
    ]
    ignore = frozenset(map(str, table["ignore"])) if "ignore" in table else None
    key = hashlib.sha256(
        json.dumps([table, asdict(dialect)], sort_keys=True, default=str).encode()
    ).hexdigest()[:16]
    patterns = dict(table.get("patterns", {}))
    if ledger is not None:
        patterns["payer_class"] = {**patterns.get("payer_class", {}), **PAYERS}
    mapping = FileMapping(
        str(table["match"]), row, fields, columns, constants, table.get("values", {}),
        ignore, layout, dialect, key, patterns, table.get("suffixes", {}), spans, ledger,
    )  # fmt: skip
    parts = tuple((question, _asking(question, mapping)) for question in questions)
    return replace(mapping, questions=parts), problems


def _asking(question: Question, mapping: FileMapping) -> FileMapping:
    """The mapping of a survey as it reads one question: a row of its own for each answer."""
    known = {"kind": question.kind, "question": question.name}
    constants = {name: pa.scalar(value) for name, value in known.items()}
    constants["scale_max"] = pa.scalar(float(question.scale_max))
    columns = {"response_id": mapping.header("feedback_id")}
    columns |= {n: h for n, h in mapping.columns.items() if (n, h) != ("response_id", n)}
    columns["score"] = question.header
    return replace(
        mapping,
        columns=columns,
        constants=dict(mapping.constants) | constants,
        suffixes={"feedback_id": f":{question.name}"},
        question=question,
    )


def _bad_texts(table: Mapping[str, Any], fields: Sequence[Field]) -> list[str]:
    texts = {f.name for f in fields if f.kind == "text"}
    problems = [
        f"{part}: {name} is no text of this row"
        for part in ("patterns", "suffixes")
        for name in table.get(part, {})
        if name not in texts
    ]
    problems += [
        f"suffixes.{name} must be a text"
        for name, suffix in table.get("suffixes", {}).items()
        if not isinstance(suffix, str)
    ]
    for name, patterns in table.get("patterns", {}).items():
        problems += bad_patterns(f"patterns.{name}", patterns)
    return problems


def _relaxed(row: type[Row], f: Field) -> Field:
    may_be_empty = f.name in _MAY_BE_EMPTY.get(row.spec.table, ())
    return replace(f, default="") if may_be_empty else f


def _dialect(table: Mapping[str, Any], default_zone: str | None) -> Dialect:
    given = {key: str(table[key]) for key in _DIALECT if key in table}
    given.setdefault("thousands", "." if given.get("decimal") == "," else ",")
    if default_zone is not None:
        given.setdefault("timezone", default_zone)
    return Dialect(**given)


def _unreadable(layout: Layout) -> list[str]:
    problems = []
    try:
        codecs.getincrementaldecoder(layout.encoding)
    except LookupError:
        problems.append(f"encoding {layout.encoding!r} is not known; try utf-8, utf-16 or cp1252")
    if layout.delimiter is not None and not _one_sign(layout.delimiter):
        problems.append("delimiter must be one sign, such as ';'")
    if layout.header_row < 1:
        problems.append("header_row must be 1 or more")
    return problems


def _one_sign(delimiter: str) -> bool:
    return len(delimiter) == 1 and delimiter.isascii() and delimiter not in '"\r\n'


def _unspeakable(dialect: Dialect) -> list[str]:
    problems = []
    if dialect.decimal not in (".", ","):
        problems.append('decimal must be "." or ","')
    if dialect.decimal in dialect.thousands or any(c.isalnum() for c in dialect.thousands):
        problems.append("thousands must be a sign other than decimal, such as ',' or ' '")
    if dialect.timezone is not None and dialect.timezone not in zones():
        problems.append(f"timezone {dialect.timezone!r} is no name such as America/New_York")
    for name in ("date_format", "datetime_format"):
        written = getattr(dialect, name)
        try:
            if written is not None:
                pattern_of(written)
        except ValueError as error:
            problems.append(f"{name} {error}")
    return problems


def _unknown_fields(row: type[Row], fields: Sequence[Field], table: Mapping[str, Any]) -> list[str]:
    known = {f.name for f in fields}
    problems = [
        f"{part}: {name} is not a field of {row.spec.table}"
        for part in ("columns", "constants", "values")
        for name in table.get(part, {})
        if name not in known
    ]
    both = table.get("columns", {}).keys() & table.get("constants", {}).keys()
    problems += [f"{name} has both a column and a constant" for name in sorted(both)]
    problems += [
        f"values.{name} must be a table of texts"
        for name, texts in table.get("values", {}).items()
        if not isinstance(texts, dict) or not all(isinstance(v, str) for v in texts.values())
    ]
    return problems


def _constants(
    fields: Sequence[Field], given: Mapping[str, Any], dialect: Dialect
) -> tuple[dict[str, pa.Scalar], list[str]]:
    """Constants as stored values; they are written as TOML has them, so in no dialect."""
    constants, problems = {}, []
    plain = Dialect(timezone=dialect.timezone)
    for f in fields:
        if f.name in given:
            text = str(given[f.name]).lower() if f.kind == "flag" else str(given[f.name])
            column, faults = cast(f, [pa.array([text])], plain)
            constants[f.name] = column[0]
            problems += [f"constants.{f.name} {x.reason}" for x in faults if x.where.any()]
    return constants, problems


def _parting(header: str) -> str:
    """What parts a header that was read as one column, as TOML writes it; "" where nothing does."""
    marks = {";": ";", "\t": r"\t", "|": "|", ",": ","}
    return next((said for mark, said in marks.items() if mark in header), "")
