"""The fields of a kind of row: how each is read, checked and stored."""

from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from connectors.contract.marks import Identifier, OneOf, Private, Row

Kind = Literal["text", "integer", "number", "flag", "day", "instant", "money"]
_KINDS: dict[type, Kind] = {
    str: "text", int: "integer", float: "number", bool: "flag", date: "day", datetime: "instant",
    Decimal: "money",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a contract row: how it is read, checked and stored."""

    name: str
    kind: Kind
    required: bool  # may not be empty
    default: object  # what an absent column means; None where `required`
    identifier: str | None
    private: bool
    one_of: tuple[str, ...] | None

    @property
    def column(self) -> str:
        """The name of the stored column."""
        return f"{self.name}_micros" if self.kind == "money" else self.name


_FIELDS: dict[type[Row], tuple[Field, ...]] = {}  # of the kinds that were asked for


def contract_fields(row: type[Row]) -> tuple[Field, ...]:
    """The fields of a kind of row, in the order they are stored."""
    if row not in _FIELDS:
        hints = get_type_hints(row, include_extras=True)
        _FIELDS[row] = tuple(
            _field(each.name, hints[each.name], each.default)
            for each in fields(row)  # type: ignore[arg-type]
        )
    return _FIELDS[row]


def _field(name: str, hint: Any, default: object) -> Field:
    marks: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        marks = tuple(rest)
    optional = False
    if get_origin(hint) in (Union, UnionType):
        arms = [arm for arm in get_args(hint) if arm is not type(None)]
        optional = len(arms) < len(get_args(hint))
        hint = arms[0]
    marked = {type(mark): mark for mark in marks}
    return Field(
        name=name,
        kind=_KINDS[hint],
        required=not optional,
        default=default if isinstance(default, str | int | float | bool) else None,
        identifier=marked[Identifier].kind if Identifier in marked else None,
        private=Private in marked,
        one_of=marked[OneOf].values if OneOf in marked else None,
    )
