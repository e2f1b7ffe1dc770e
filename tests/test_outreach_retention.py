"""Retention of what outreach keeps: addresses go with their contact, what it sent stays."""

from datetime import UTC, datetime

import custody_fixture as clinic
import pytest

from attribution.contacts import Contacts
from attribution.ledger import Ledger
from connectors.columns import to_table
from connectors.contract import Contact
from outreach.outbox import Outbox

TOLD = "select count(*) from raw_message where source = 'caretrace_outreach'"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A clinic of its own."""
    monkeypatch.setenv("CARETRACE_HOME", str(tmp_path / "home"))
    with clinic.few_models():
        yield clinic.make_home(tmp_path / "home")


def test_what_outreach_keeps_follows_retention(home):
    """Addresses go with their contact, but of who is in a CRM by our hand; what we sent stays."""
    clinic.with_outreach(home)
    old = datetime(2020, 1, 1, tzinfo=UTC)
    table = to_table(
        Contact,
        [Contact(name, old, old, email=f"{name}@example.org") for name in ("gone", "there")],
    )
    with Contacts(home) as contacts, Outbox(home) as outbox:
        hashed = clinic.door(home).pseudonymise(Contact, table)
        contacts.keep("crm", Contact, table, hashed, "US")
        with outbox.transaction() as connection:
            connection.execute(
                "update message set state = 'sent', at = ?, way = 'hubspot_list', owner = ?",
                (old.isoformat(), hashed.column("contact_id")[1].as_py()),
            )
    clinic.load(home)
    assert clinic.ask(home, TOLD) == [(2,)]  # the assignment, and the message
    home.config.write_text(
        f'{home.config.read_text()}\n[retention]\ncontact = "1 year"\nmessage = "2 years"\n'
    )
    said = []
    for _twice in range(2):
        clinic.load(home)
        with Ledger(home) as ledger:
            steps = ledger.steps(ledger.runs()["run_id"].iloc[0]).set_index("name")
        said.append(steps.loc["deletions", "message"])
        assert clinic.ask(home, TOLD) == [(2,)]
    assert not [each for each in said if "of message" in each]
    with Contacts(home) as contacts, Outbox(home) as outbox:
        places = contacts.places(["email", "record"]).to_pylist()
        assert {p["owner"] for p in places if p["of"] == "contact"} == {
            hashed.column("contact_id")[1].as_py()
        }
        # So that nobody is written to twice, or against their will.
        assert len(outbox.rows("select key from message")) == 1
        assert len(outbox.stopped()) == 1
