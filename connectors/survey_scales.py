"""Surveys: wide exports, one line a response, whose questions become rows on a known scale.

Each scale ends with its best answer, so the share of top answers can be worked out from the score
and the end of the scale. NPS keeps a kind of its own: it is never averaged with other surveys.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.blocks import among, kept, said
from connectors.dialect import Fault
from connectors.readers import Block


def _numbers(first: int, last: int) -> dict[str, int]:
    return {str(number): number for number in range(first, last + 1)}


# Answers in lower case, in words and in the codes that CAHPS questionnaires print before them.
SCALES: dict[str, dict[str, int]] = {
    "nps": _numbers(0, 10),
    "rating": _numbers(0, 10) | {"0 worst": 0, "10 best": 10},
    "stars": _numbers(1, 5),
    "frequency": {"never": 1, "sometimes": 2, "usually": 3, "always": 4} | _numbers(1, 4),
    "definitely": {
        "no": 1, "yes, somewhat": 2, "yes, definitely": 3, "3": 1, "2": 2, "1": 3,
    },
    "yes_no": {"no": 1, "yes": 2, "2": 1, "1": 2},
    "recommend": {
        "definitely no": 1, "probably no": 2, "probably yes": 3, "definitely yes": 4,
    } | _numbers(1, 4),
    "agree": {
        "strongly disagree": 1, "disagree": 2, "agree": 3, "strongly agree": 4,
    } | _numbers(1, 4),
    "good": {"very poor": 1, "poor": 2, "fair": 3, "good": 4, "very good": 5} | _numbers(1, 5),
}  # fmt: skip

# Fields that a mapping with questions may not fill in any other way.
FROM_QUESTIONS = ("kind", "score", "scale_max", "question")

# Nobody answered: left out, and no fault.
UNANSWERED = (
    "m", "n/a", "na", "not applicable", "missing", "skipped", "appropriately skipped",
    "don't know", "i don't know", "prefer not to answer",
)  # fmt: skip
# The codes of CAHPS files for the same, where the scale has no such answer.
UNANSWERED_CODES = ("8", "9", "88", "98", "99")


@dataclass(frozen=True, slots=True)
class Question:
    """One question's column, and what its answers are worth."""

    header: str
    name: str
    kind: str
    scores: Mapping[str, int]  # answer in lower case -> what it is worth
    scale_max: int

    def answered(self, block: Block) -> Block:
        """The responses that answered it."""
        text = said(block, self.header)
        codes = () if self.kind == "nps" else UNANSWERED_CODES
        silent = among(text, [c for c in (*UNANSWERED, *codes) if c not in self.scores])
        return kept(block, np.asarray(pc.is_valid(text)) & ~silent)

    def scored(self, block: Block) -> tuple[pa.Array, list[Fault]]:
        """What each answer is worth; an answer that the scale does not have is a fault."""
        text = pc.utf8_lower(said(block, self.header))
        # Spreadsheets hold whole numbers as 9.0.
        text = pc.replace_substring_regex(text, r"^(\d+)\.0+$", r"\1")
        place = pc.index_in(text, value_set=pa.array(list(self.scores), pa.string()))
        score = pc.take(pa.array(list(self.scores.values()), pa.float64()), place)
        unknown = np.asarray(pc.is_null(score))
        return score, [Fault(unknown, f"is no answer of the scale of {self.name}")]


def questions_of(table: Mapping[str, Any], row: str) -> tuple[tuple[Question, ...], list[str]]:
    """The `questions` of a mapping on built-in scales or its own, or what is wrong with them."""
    given = table.get("questions")
    if given is None:
        return (), ["scales without questions"] if "scales" in table else []
    if row != "feedback":
        return (), ["questions are for feedback rows only"]
    own, problems = _own_scales(table.get("scales", {}))
    scales = SCALES | own
    if not isinstance(given, dict) or not given:
        return (), ['questions must be a table such as Q4 = "frequency"']
    questions = []
    for header, said_of_it in given.items():
        chosen = {"scale": said_of_it} if isinstance(said_of_it, str) else said_of_it
        if not isinstance(chosen, dict) or not {"scale"} <= chosen.keys() <= {"scale", "name"}:
            problems.append(f"questions.{header} must be a scale, or a table of scale and name")
            continue
        scale = str(chosen["scale"])
        if scale not in scales:
            problems.append(
                f"questions.{header}: {scale!r} is no scale; there are {', '.join(scales)}"
            )
            continue
        name = str(chosen.get("name", header))
        kind = "nps" if scale == "nps" else "survey"
        questions.append(Question(header, name, kind, scales[scale], max(scales[scale].values())))
    names = [question.name for question in questions]
    problems += [f"questions: two are named {n!r}" for n in sorted({*names}) if names.count(n) > 1]
    problems += [
        f"{part}.{name} comes from the questions"
        for part in ("columns", "constants", "values")
        for name in FROM_QUESTIONS
        if name in table.get(part, {})
    ]
    return tuple(questions), problems


def _own_scales(given: object) -> tuple[dict[str, dict[str, int]], list[str]]:
    if not isinstance(given, dict):
        return {}, ["scales must be a table of tables"]
    own: dict[str, dict[str, int]] = {}
    problems = []
    for name, answers in given.items():
        whole = isinstance(answers, dict) and all(type(v) is int for v in answers.values())
        if not whole or not answers or min(answers.values()) < 0:
            problems.append(f"scales.{name} must be a table of answer = whole number, 0 or more")
        else:
            own[name] = {answer.strip().lower(): score for answer, score in answers.items()}
    return own, problems
