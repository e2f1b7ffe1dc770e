"""FHIR R4 resources about money as payments: what was really paid, each sum once.

An explanation of benefit says what the insurer paid for one claim, an invoice what the patient
paid. A claim is what was asked for; payment notices and reconciliations repeat, for many claims
at once and naming no patient, what the explanations say; an R4 account holds no amount.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from connectors.contract import Payment, Row
from connectors.fhir_element import Element, needed
from connectors.fhir_links import Links
from connectors.fhir_rules import Mapper, Rules, patient_of, updated, withdrawn


def explanation(benefit: Element, links: Links, rules: Rules) -> Iterator[Row]:
    """What the insurer paid for a claim; an estimate, or a claim it paid nothing for, is none."""
    payment = benefit.part("payment")
    amount = _amount(benefit, payment.part("amount"), "active")
    if not amount or benefit.text("use") not in ("claim", None):
        yield from withdrawn(benefit, rules, _state(benefit, "nothing paid"))
        return
    visits = [e for item in benefit.parts("item") for e in item.parts("encounter")]
    posted = payment.instant("date", rules.zone) or benefit.instant("created", rules.zone)
    yield Payment(
        payment_id=f"ExplanationOfBenefit/{benefit.needed_text('id')}",
        posted_at=needed("ExplanationOfBenefit.created", posted),
        currency=_currency(payment.part("amount"), rules),
        amount=amount,
        patient_id=patient_of(benefit.part("patient"), links, "ExplanationOfBenefit.patient"),
        encounter_id=links.id_of(visits[0]) if visits else None,
        payer_class=_payer(benefit, links, rules),
        updated_at=updated(benefit, rules),
    )


def invoice(bill: Element, links: Links, rules: Rules) -> Iterator[Row]:
    """A bill to the patient counts as paid when it is balanced; until then nothing came in."""
    total = bill.part("totalGross") or bill.part("totalNet")
    amount = _amount(bill, total, "balanced")
    if not amount:
        yield from withdrawn(bill, rules, _state(bill, "nothing paid"))
        return
    yield Payment(
        payment_id=f"Invoice/{bill.needed_text('id')}",
        posted_at=bill.needed_instant("date", rules.zone),
        currency=_currency(total, rules),
        amount=amount,
        patient_id=patient_of(bill.part("subject"), links, "Invoice.subject"),
        payer_class="self_pay",
        updated_at=updated(bill, rules),
    )


def notice(note: Element, links: Links, rules: Rules) -> Iterator[Row]:
    """Notice of a payment; it names no patient."""
    posted = note.instant("paymentDate", rules.zone) or note.instant("created", rules.zone)
    yield from _for_many(note, "amount", posted, rules)


def reconciliation(paid: Element, links: Links, rules: Rules) -> Iterator[Row]:
    """A payment for many claims at once; it names no patient."""
    yield from _for_many(paid, "paymentAmount", paid.instant("paymentDate", rules.zone), rules)


def _for_many(found: Element, name: str, posted: datetime | None, rules: Rules) -> Iterator[Row]:
    amount = _amount(found, found.part(name), "active")
    if not amount:
        yield from withdrawn(found, rules, _state(found, "nothing paid"))
        return
    yield Payment(
        payment_id=f"{found.kind}/{found.needed_text('id')}",
        posted_at=needed(f"{found.kind}.paymentDate", posted),
        currency=_currency(found.part(name), rules),
        amount=amount,
        updated_at=updated(found, rules),
    )


PAYMENTS: Mapping[str, Mapper] = {
    "ExplanationOfBenefit": explanation,
    "Invoice": invoice,
    "PaymentNotice": notice,
    "PaymentReconciliation": reconciliation,
}


def _amount(found: Element, money: Element, paid: str) -> Decimal | None:
    """The amount of a resource in the state in which it counts."""
    return money.amount("value") if found.text("status") == paid else None


def _state(found: Element, otherwise: str) -> str:
    status = found.text("status")
    return otherwise if status in (None, "active", "balanced") else str(status)


def _currency(money: Element, rules: Rules) -> str:
    return needed(f"{money.path}.currency", money.text("currency") or rules.currency)


def _payer(benefit: Element, links: Links, rules: Rules) -> str | None:
    """By what the claim itself calls the payer, else by the coverage that it names."""
    coverages = [i.part("coverage") for i in benefit.parts("insurance")]
    names = [c.text("display") for c in coverages]
    names.append(benefit.part("insurer").text("display"))
    if found := rules.payers.of_texts(name for name in names if name):
        return found
    words = (word for c in coverages for word in links.insurance(benefit, c))
    return rules.payers.of_texts(words)
