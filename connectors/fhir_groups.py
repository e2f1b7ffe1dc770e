"""Coarse groups of clinical codes: they tell service lines apart, but not people."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# The first pattern that fits a code wholly, or a text in part, decides; `service_lines` in
# caretrace.toml comes before these.
SERVICE_LINES = {
    "prenatal|antenatal|obstet|childbirth|postpartum": "maternity",
    "EMER|emergency": "emergency",
    "cardi|heart": "cardiology",
    "orthop|fracture|sprain|physiother": "orthopedics",
    "asthma|pulmo|thoracic|respirat": "pulmonology",
    "allerg": "allergy",
    "psychiatr|mental|behaviou?ral|addiction": "behavioral_health",
    "oncolog|cancer|chemother": "oncology",
    "dental|dentist": "dental",
    "check.?up|general practice|symptom|problem|follow.?up|consultation|well child": "primary_care",
}
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
class Groups:
    """An ordered list of patterns, and the group that each stands for."""

    rules: tuple[tuple[re.Pattern[str], str], ...]

    @classmethod
    def of(cls, *tables: Mapping[str, str]) -> "Groups":
        """Rules from tables in order; re.error where a pattern is none."""
        pairs = (pair for table in tables for pair in table.items())
        return cls(tuple((re.compile(pattern, re.IGNORECASE), group) for pattern, group in pairs))

    def first(self, concepts: Iterable[Any]) -> str | None:
        """The group of the first rule that fits any of the concepts."""
        signs = [sign for concept in concepts for sign in _signs(concept)]
        return self.of_texts(signs)

    def of_texts(self, signs: Iterable[tuple[str, bool]]) -> str | None:
        """The group of the first rule that fits a code (True) wholly or a text (False) in part."""
        known = list(signs)
        for pattern, group in self.rules:
            if any(pattern.fullmatch(s) if code else pattern.search(s) for s, code in known):
                return group
        return None


def joined(concepts: Iterable[Any], groups: Groups) -> str | None:
    """The groups of many concepts as one text, each once."""
    found = {_group(concept, groups) for concept in concepts}
    return "|".join(sorted(found)) or None


def _group(concept: Any, groups: Groups) -> str:
    """The first three signs of an ICD-10 code, else the group of its words."""
    for coding in concept.coding or ():
        if "icd-10" in (coding.system or "").lower() and coding.code:
            return f"ICD10:{coding.code[:3].upper()}"
    return groups.first([concept]) or "other"


def _signs(concept: Any) -> Iterable[tuple[str, bool]]:
    for coding in concept.coding or ():
        if coding.code:
            yield coding.code, True
        if coding.display:
            yield coding.display, False
    if concept.text:
        yield concept.text, False
