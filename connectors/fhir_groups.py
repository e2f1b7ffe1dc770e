"""Coarse groups of clinical codes: they tell service lines apart, but not people."""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connectors.errors import SourceMisconfigured
from connectors.fhir_element import Element

SHIPPED_LINES = Path(__file__).with_name("service_lines.csv")
_COLUMNS = ("system", "code", "text", "department", "service_line")
_MOST_REMEMBERED = 50_000
# One thing that is said of a visit: the code's system, the code, or else words.
Sign = tuple[str, str, str]

DIAGNOSES = {
    "pregnan|antepartum|miscarriage|eclampsia": "pregnancy",
    "cancer|carcinoma|neoplas|tumou?r|polyp": "neoplasm",
    "diabet|prediabet|obes|metabolic|hyperglyc|lipid|triglycerid|cholesterol": "metabolic",
    "hypertens|heart|coronary|cardiac|stroke|atrial|infarction": "circulatory",
    "asthma|bronch|pneumon|copd|emphysema|sinusitis|rhinitis|respirat": "respiratory",
    "fracture|sprain|arthritis|osteopor|whiplash|back pain|laceration|injury|burn|concussion": (
        "injury_musculoskeletal"
    ),
    "depress|anxiety|stress|suicid|attention deficit|misuse|depend|overdose": "mental",
    "infect|viral|streptococ|sepsis|otitis|covid|hiv": "infection",
    "dermatitis|eczema|acne|skin": "skin",
    "alzheimer|epilep|migraine|seizure|neuropath|chronic pain": "nervous",
    "appendic|gall|gastr|liver|colitis|hepat": "digestive",
    "kidney|renal|cystitis|urin|prostat": "genitourinary",
    "allerg": "allergy",
}
PROCEDURES = {
    "immuniz|immunis|vaccin": "immunization",
    "x-ray|radiograph|ultrasound|tomograph|magnetic|imaging|echocardio|mammo": "imaging",
    "colonoscop|endoscop|screening|spirometr|assessment|test|measurement|evaluation": "diagnostic",
    "surg|excision|bypass|replacement|section|resection|implant|suture|ectomy": "surgery",
    "therap|rehabilit|counsel|education|reconciliation": "therapy",
    "prenatal|labou?r|delivery|childbirth|contracept": "obstetrics",
    "cast|splint|bone immobil|dressing": "wound_and_bone_care",
}
PAYERS = {
    "medicare": "medicare",
    "medicaid|dual eligible": "medicaid",
    "no.?insurance|self.?pay|uninsured": "self_pay",
    "workers|auto": "liability",
    "tricare|veteran|champ": "military",
    "private|commercial|blue cross|aetna|cigna|humana|united|anthem": "commercial",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What must fit for a group to be meant; an empty part fits everything.

    `code` is whole, or the beginning of codes if it ends in a star.
    `either` is for the rules of caretrace.toml, whose one pattern is of a whole code or of words.
    """

    group: str
    system: str = ""
    code: str = ""
    text: re.Pattern[str] | None = None
    department: re.Pattern[str] | None = None
    either: re.Pattern[str] | None = None

    def fits(self, signs: Iterable[Sign], department: str) -> bool:
        """Whether a visit of which this is said, at this place, is meant."""
        if self.department is not None and not self.department.search(department):
            return False
        if not (self.system or self.code or self.text or self.either):
            return True
        return any(self._fits(*sign) for sign in signs)

    def _fits(self, system: str, code: str, text: str) -> bool:
        if self.either is not None:
            return bool(self.either.fullmatch(code) if code else self.either.search(text))
        if self.system and self.system != system:
            return False
        if self.code and not _is(self.code.lower(), code.lower()):
            return False
        return self.text is None or bool(self.text.search(text))


def _is(wanted: str, code: str) -> bool:
    return code.startswith(wanted[:-1]) if wanted.endswith("*") and code else code == wanted


@dataclass(frozen=True, slots=True)
class Groups:
    """An ordered list of rules; the first that fits decides."""

    rules: tuple[Rule, ...]
    # Codes come again and again: a visit's signs are looked up once.
    _known: dict[tuple[tuple[Sign, ...], str], tuple[int, str] | None] = field(
        default_factory=dict, compare=False, repr=False
    )

    @classmethod
    def of(cls, *tables: Mapping[str, str], more: Iterable[Rule] = ()) -> "Groups":
        """Rules from tables of one pattern each, in order; re.error where a pattern is none."""
        pairs = (pair for table in tables for pair in table.items())
        first = (Rule(group, either=re.compile(p, re.IGNORECASE)) for p, group in pairs)
        return cls((*first, *more))

    def first(self, concepts: Iterable[Element], department: str | None = None) -> str | None:
        """The group of the first rule that fits any of the concepts, or the place."""
        found = self.ranked(concepts, department)
        return found[1] if found else None

    def ranked(
        self, concepts: Iterable[Element], department: str | None = None
    ) -> tuple[int, str] | None:
        """The same, with the place of its rule in the list."""
        return self.of_signs((s for c in concepts for s in _signs(c)), department)

    def of_signs(
        self, signs: Iterable[Sign], department: str | None = None
    ) -> tuple[int, str] | None:
        """The first rule that fits what is said, and its place in the list."""
        asked = (tuple(signs), department or "")
        try:
            return self._known[asked]
        except KeyError:
            found = next(((n, r.group) for n, r in enumerate(self.rules) if r.fits(*asked)), None)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[asked] = found
        return found

    def of_texts(self, texts: Iterable[str]) -> str | None:
        """The group that words stand for."""
        found = self.of_signs(("", "", text) for text in texts)
        return found[1] if found else None


def read_lines(path: Path) -> tuple[Rule, ...]:
    """The rules of a table of service lines; raises SourceMisconfigured with the line at fault."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise SourceMisconfigured(
                    f"{path} lacks the column {missing[0]!r}; it must have {', '.join(_COLUMNS)}."
                )
            return tuple(_rule(path, n, row) for n, row in enumerate(reader, start=2))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceMisconfigured(
            f"The table of service lines {path} cannot be read ({type(error).__name__}); "
            "correct service_lines_file in caretrace.toml."
        ) from None


def _rule(path: Path, number: int, row: Mapping[str, str | None]) -> Rule:
    said = {name: (row[name] or "").strip() for name in _COLUMNS}
    where = f"{path}, line {number}"
    if not said["service_line"] or not any(said[name] for name in _COLUMNS[:-1]):
        raise SourceMisconfigured(f"{where}: a rule needs a service_line and something that fits.")
    try:
        patterns = [
            re.compile(said[name], re.IGNORECASE) if said[name] else None
            for name in ("text", "department")
        ]
    except re.error as error:
        raise SourceMisconfigured(f"{where}: not a regular expression: {error}.") from None
    return Rule(said["service_line"], said["system"], said["code"], *patterns)


def joined(concepts: Iterable[Element], groups: Groups) -> str | None:
    """The groups of many concepts as one text, each once."""
    found = {group_of(concept, groups) for concept in concepts}
    return "|".join(sorted(found)) or None


def group_of(concept: Element, groups: Groups) -> str:
    """The first three signs of an ICD-10 code, else the group of its words."""
    for coding in concept.parts("coding"):
        code = coding.text("code")
        if code and "icd-10" in (coding.text("system") or "").lower():
            return f"ICD10:{code[:3].upper()}"
    return groups.first([concept]) or "other"


def unknown(concepts: Iterable[Element]) -> str:
    """The first code among concepts as `system|code`, for a rule to be made of; `|` without any.

    Of ICD-10 only the first three signs, as a rule may name them: `E11*`. Words are left out, they
    can be about somebody.
    """
    for concept in concepts:
        for coding in concept.parts("coding"):
            system = (coding.text("system") or "").replace("|", "/")
            code = (coding.text("code") or "").replace("|", "/")
            if code:
                icd = "icd-10" in system.lower()
                return f"{system}|{code[:3].upper()}*" if icd else f"{system}|{code}"
    return "|"


def _signs(concept: Element) -> Iterable[Sign]:
    for coding in concept.parts("coding"):
        system, display = coding.text("system") or "", coding.text("display") or ""
        if code := coding.text("code"):
            yield system, code, ""
        if display:
            yield system, "", display
    if words := concept.text("text"):
        yield "", "", words
