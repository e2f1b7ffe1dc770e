"""A few patients of a FHIR server, whose names and addresses must never be found anywhere."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

Resource = dict[str, Any]


def sample(today: date) -> list[Resource]:
    """A few patients with a booking, a visit and its diagnosis, money, a message and a consent."""
    made: list[Resource] = [
        {"resourceType": "Location", "id": "north", "name": "North Clinic"},
        {"resourceType": "Coverage", "id": "c1", "status": "active", "type": {"text": "Medicare"},
         "beneficiary": {"reference": "Patient/p0"}, "payor": [{"display": "CMS"}]},
    ]  # fmt: skip
    for n in range(4):
        day = today - timedelta(days=20 - n)
        patient, visit = {"reference": f"Patient/p{n}"}, {"reference": f"Encounter/e{n}"}
        made += [
            {"resourceType": "Patient", "id": f"p{n}", "gender": "female",
             "birthDate": "1970-02-03",
             "name": [{"family": "Canary", "given": ["Clementine"]}],
             "telecom": [{"system": "email", "value": f"fhir-p{n}@example.org"}],
             "address": [{"line": ["9 Canary Row"], "postalCode": "01940"}]},
            {"resourceType": "Appointment", "id": f"a{n}", "status": "fulfilled",
             "created": f"{day}T09:00:00Z", "start": f"{day + timedelta(days=5)}T09:00:00Z",
             "comment": "Canary", "participant": [
                 {"actor": patient, "status": "accepted"},
                 {"actor": {"reference": "Location/north"}, "status": "accepted"}]},
            {"resourceType": "Encounter", "id": f"e{n}", "status": "finished",
             "class": {"code": "AMB"}, "subject": patient,
             "appointment": [{"reference": f"Appointment/a{n}"}],
             "statusHistory": [
                 {"status": "arrived", "period": {"start": f"{day + timedelta(days=5)}T08:50:00Z"}},
                 {"status": "in-progress",
                  "period": {"start": f"{day + timedelta(days=5)}T09:02:00Z"}}],
             "period": {"start": f"{day + timedelta(days=5)}T09:02:00Z"}},
            {"resourceType": "Condition", "id": f"d{n}", "subject": patient, "encounter": visit,
             "code": {"text": "Coronary heart disease"}, "recordedDate": f"{day}"},
            {"resourceType": "ExplanationOfBenefit", "id": f"b{n}", "status": "active",
             "use": "claim", "patient": patient, "created": f"{day + timedelta(days=9)}",
             "insurance": [{"focal": True, "coverage": {"reference": "Coverage/c1"}}],
             "item": [{"sequence": 1, "encounter": [visit]}],
             "payment": {"amount": {"value": Decimal("120.50"), "currency": "USD"}}},
        ]  # fmt: skip
    to = {"reference": "Patient/p0"}
    made += [
        {"resourceType": "Communication", "id": "m0", "status": "completed", "subject": to,
         "recipient": [to], "sent": f"{today - timedelta(days=9)}T10:00:00Z",
         "medium": [{"coding": [{"code": "SMSWRIT"}]}],
         "category": [{"coding": [{"code": "reminder"}]}],
         "payload": [{"contentString": "Dear Canary"}]},
        {"resourceType": "Consent", "id": "k0", "status": "active", "patient": to,
         "dateTime": f"{today - timedelta(days=30)}",
         "provision": {"type": "deny", "purpose": [{"code": "HMARKT"}]}},
    ]  # fmt: skip
    return made
