"""The disclosure report for people who read: the same figures as its JSON."""

from collections.abc import Mapping, Sequence
from typing import Any


def in_words(told: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    tables = (
        ("risk | chance", [(n, f"{v:.2%}") for n, v in told["risk"].items()]),
        ("class size | classes", [(n, f"{v:,}") for n, v in told["class_sizes"].items()]),
        ("column | generalised to | of", [_level(each) for each in told["generalisation"]]),
        (
            "paragraph | identifier | dealt with",
            [(e["paragraph"], e["identifier"], e["dealt_with"]) for e in told["identifiers"]],
        ),
    )
    lines = [*_opening(told), *(line for title, rows in tables for line in _table(title, rows))]
    if "determination" in told:
        found = told["determination"]
        lines.append(
            f"Determination by {found['by']} on {found['on']}, in force to {found['expires']}. "
            f"Dates move by up to {found['dates_move_at_most_days']} days; "
            f"{told['days_left_empty']} are empty.\n"
        )
    return "\n".join(lines)


def _opening(told: Mapping[str, Any]) -> list[str]:
    reached, required = told["reached"], told["required"]
    small, beside = told["suppressed"].values()
    paragraphs = [
        "# Disclosure report\n",
        (
            f"Profile {told['profile']}: {told['basis']}. This describes what a program did and "
            "measured. It certifies nothing.\n"
        ),
        (
            f"- {told['people']:,} people, one row each, in {told['classes']:,} classes of people "
            "whose quasi-identifiers are the same."
        ),
        f"- k: {reached['k']} (at least {required['k']}). So many people look alike, or more.",
    ]
    paragraphs += [
        f"- l of {name}: {value} (at least {required['l']}); t: {reached['t'][name]:.2f}; the "
        f"commonest value of a class has {told['commonest_value_of_a_class'][name]:.0%} of it "
        "at most."
        for name, value in reached["l"].items()
    ]
    same = told["left_out_because_the_same_for_everybody"]
    if same:
        paragraphs.append(
            f"- The same of everybody: {', '.join(same)}. It is no column, and yet known of "
            "whoever is known to be in the data."
        )
    paragraphs += [
        (
            f"- Left out: {small} people in classes too small or of one kind; {beside} so that an "
            "earlier export does not give them away."
        ),
        (
            "- Rows that nobody else has, all columns together: "
            f"{told['rows_that_nobody_else_has_in_all_columns']}. k is about the "
            "quasi-identifiers: whoever knows the other columns of somebody could find them. Leave "
            "out what the question does not need.\n"
        ),
    ]
    return paragraphs


def _level(each: Mapping[str, Any]) -> tuple[str, str, str]:
    return (
        each["column"],
        each["level"] if each["told"] else "not told",
        ", ".join(each["of"]),
    )


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> list[str]:
    head = [f"| {title} |", "|---" * (title.count("|") + 1) + "|"]
    return [*head, *(f"| {' | '.join(row)} |" for row in rows), ""]
