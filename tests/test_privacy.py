"""Privacy: what an identifier becomes at the door, and that it is said nowhere in clear."""

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import example, given
from servers.clinic import CANARY_EMAIL, CANARY_MRN, CANARY_PHONE, at, contact

from attribution.errors import BadInput, SettingsError
from attribution.first_names import same_names
from attribution.normal import given_name, record_number
from attribution.placeholders import placeholders
from attribution.privacy import Door, email, linked, load_key, phone
from connectors.columns import to_table
from connectors.contract import AdSpend, Appointment, Contact, Touchpoint

DOOR = Door(b"k" * 32)


@pytest.mark.parametrize(
    "written", [" Jane.Doe@Example.ORG ", "jane.doe@example.org", "ｊane.doe＠example.org"]
)
def test_one_address_in_many_spellings(written):
    assert email(written) == "jane.doe@example.org"


@pytest.mark.parametrize(
    "written", ["", "jane", "jane@", "@x.org", "a@b", "a b@x.org", "a@b@x.org"]
)
def test_what_cannot_be_an_address(written):
    assert email(written) is None


@pytest.mark.parametrize(
    "written", ["(503) 555-0142", "503.555.0142", "+1 503 555 0142", "1-503-555-0142"]
)
def test_one_number_in_many_spellings(written):
    assert phone(written, "US") == "+15035550142"


def test_a_number_is_read_in_the_region_of_its_source():
    assert phone("020 7946 0018", "GB") == phone("+44 20 7946 0018", "US") == "+442079460018"


@pytest.mark.parametrize(
    "written", ["", "none", "12", "0000000000000000000", "ext. 5", "555-0142", "+1 345 6789"]
)
def test_what_cannot_be_a_number(written):
    assert phone(written, "US") is None


def test_the_same_person_has_the_same_hash_in_every_source():
    other = Door(b"k" * 32, crm_namespace="second", patient_namespace="second")
    assert DOOR.hash("email", " A@x.org") == other.hash("email", "a@X.org")
    assert DOOR.hash("phone", "503 555 0142") == other.hash("phone", "+15035550142")


@pytest.mark.parametrize("kind", ["patient_id", "crm_id", "record"])
def test_numbers_of_two_systems_are_not_mixed_up(kind):
    other = Door(b"k" * 32, crm_namespace="second", patient_namespace="second")
    assert DOOR.hash(kind, "17") != other.hash(kind, "17")


def test_kinds_and_keys_are_kept_apart():
    values = {DOOR.hash(kind, "17") for kind in ("patient_id", "crm_id", "record", "client_id")}
    values.add(Door(b"z" * 32).hash("client_id", "17"))
    assert len(values) == 5
    assert all(len(value) == 32 and int(value, 16) for value in values)


def test_what_identifies_nobody_has_no_hash():
    assert [DOOR.hash(k, "  ") for k in ("email", "phone", "patient_id", "record")] == [None] * 4


def test_rows_and_columns_lose_their_identifiers_alike():
    rows = [contact("1", email=CANARY_EMAIL), contact("2", phone=CANARY_PHONE), contact("3")]
    table = DOOR.pseudonymise(Contact, to_table(Contact, rows))
    assert table.column("email").to_pylist() == [DOOR.hash("email", CANARY_EMAIL), None, None]
    assert table.column("phone").to_pylist() == [None, DOOR.hash("phone", CANARY_PHONE), None]
    assert table.column("identifier").to_pylist() == [DOOR.hash("crm_id", n) for n in "123"]


def test_a_first_name_is_only_ever_stored_together_with_an_address_or_a_line():
    rows = [
        contact("1", email="a@x.org", phone=CANARY_PHONE, given_name="Élodie Marie"),
        contact("2", email="b@x.org", phone=CANARY_PHONE, given_name="mrs. elodie"),
        contact("3", given_name="Elodie"),
        contact("4", email="a@x.org", given_name="Unknown"),
    ]
    table = DOOR.pseudonymise(Contact, to_table(Contact, rows))
    assert "given_name" not in table.column_names
    mails, phones = (table.column(name).to_pylist() for name in ("email_name", "phone_name"))
    assert mails[0] != mails[1]
    assert phones[0] == phones[1] is not None
    assert mails[2:] == phones[2:] == [None, None]
    assert len({*mails[:2], phones[0]}) == 3


def test_a_first_name_follows_a_change_of_the_hashing_key():
    rows = to_table(Contact, [contact("1", email="a@x.org", given_name="Ann")])
    before = DOOR.pseudonymise(Contact, rows).column("email_name").to_pylist()
    later = Door(b"k" * 32, later=(b"n" * 32,)).pseudonymise(Contact, rows)
    assert later.column("email_name").to_pylist() == linked((b"n" * 32,), before)


@given(st.text())
@example("A\U0001d400")  # a mathematical capital is a plain one, and then a small one
def test_the_normal_form_of_a_first_name_is_its_own(written):
    normal = given_name(written, same_names())
    assert normal is None or given_name(normal, same_names()) == normal


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Bob", "robert"), (" Dr. J. Robert Lee", "robert"), ("MARY-ANN", "maria"),
        ("Zoë", "zoe"), ("Baby Girl", None), ("J", None), ("", None), ("O'Shea", "shea"),
    ],
)  # fmt: skip
def test_first_names_have_one_way_to_be_written(written, normal):
    assert given_name(written, same_names()) == normal


def test_a_list_of_first_names_is_ones_own_and_says_what_is_wrong(tmp_path):
    for folder, written in (("good", "xu,kevin"), ("twice", "a,kevin\nb,kevin"), ("half", "a,")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "first_names.csv").write_text(f"name,also\n{written}\n")
    assert same_names(tmp_path / "good") == {"xu": "xu", "kevin": "xu"}
    with pytest.raises(BadInput, match="line 3: kevin stands for a already"):
        same_names(tmp_path / "twice")
    with pytest.raises(BadInput, match="line 2: give a name"):
        same_names(tmp_path / "half")


def test_columns_may_come_in_another_order():
    table = to_table(Contact, [contact("1", email=CANARY_EMAIL, location="main")])
    turned = DOOR.pseudonymise(Contact, table.select(table.column_names[::-1]))
    assert turned.to_pylist() == DOOR.pseudonymise(Contact, table).to_pylist()


def test_columns_may_come_dictionary_encoded_and_in_chunks():
    table = to_table(Contact, [contact("1", email=CANARY_EMAIL), contact("2")])
    place = table.schema.get_field_index("email")
    encoded = table.column("email").dictionary_encode()
    chunked = pa.concat_tables([table.set_column(place, "email", encoded)] * 2)
    hashed = DOOR.pseudonymise(Contact, chunked).column("email").to_pylist()
    assert hashed == [DOOR.hash("email", CANARY_EMAIL), None] * 2


def test_the_strongest_identifier_comes_first():
    visit = Appointment("a", CANARY_MRN, at(0), at(1), "booked", email=CANARY_EMAIL)
    click = Touchpoint("t", at(0), "click", email="nobody", client_id="w1", click_id="g1")
    for row, kind, value in ((visit, "patient_id", CANARY_MRN), (click, "client_id", "w1")):
        table = DOOR.pseudonymise(type(row), to_table(type(row), [row]))
        assert table.column("identifier").to_pylist() == [DOOR.hash(kind, value)]


def test_rows_without_people_get_no_identifier():
    table = DOOR.pseudonymise(AdSpend, to_table(AdSpend, []))
    assert "identifier" not in table.column_names


def test_a_short_key_is_refused_without_saying_it(home, monkeypatch):
    monkeypatch.setenv("CARETRACE_KEY", "canary-short")
    with pytest.raises(SettingsError, match="at least 32") as caught:
        load_key(home)
    assert "canary" not in str(caught.value)


def test_a_broken_key_file_is_not_used(home):
    (home.folder / "key").write_text("")
    with pytest.raises(SettingsError, match="does not hold a whole key"):
        load_key(home)


def test_the_key_is_not_shown():
    assert "kkkk" not in repr(DOOR)


LETTERS = st.text("aAéßſａ.+@ -​。İx0", max_size=12)


@given(LETTERS | st.emails(), st.booleans(), st.booleans())
def test_a_normal_address_is_its_own_normal_form(written, plus, dots):
    normal = email(written, plus=plus, dots=dots)
    assert normal is None or email(normal, plus=plus, dots=dots) == normal


@given(st.text("0123456789+-() x１", max_size=16))
def test_a_normal_number_is_its_own_normal_form(written):
    normal = phone(written, "US")
    assert normal is None or phone(normal, "DE") == normal


@given(st.text("0aA-‐–－ ​ﬁ ­", max_size=10))
def test_a_normal_record_number_is_its_own_normal_form(written):
    assert record_number(record_number(written)) == record_number(written)


def test_record_numbers_keep_their_zeros():
    assert record_number(" 00–17 ") == "00-17" != record_number("0-17")


def test_an_international_domain_has_one_form():
    assert email("a@bücher.example") == email("A@xn--bcher-kva.example.")


def test_tags_and_dots_of_addresses_are_kept_unless_told_otherwise():
    assert email("a.b+c@gmail.com") == "a.b+c@gmail.com"
    assert email("a.b+c@GoogleMail.com", plus=True, dots=True) == "ab@gmail.com"
    assert email("a.b+c@x.org", plus=True, dots=True) == "a.b@x.org"


@pytest.mark.parametrize("written", ["1-800-555-1234", "911", "72345", "0800 123 4567"])
def test_a_companys_number_is_nobodys(written):
    assert phone(written, "GB" if written.startswith("0") else "US") is None


def test_people_behind_one_line_are_kept_apart():
    assert phone("503-555-0142 x23", "US") == "+15035550142;ext=23"


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("phone", "000-000-0000"),
        ("phone", "(503) 555-0100"),
        ("phone", "999-999-9999"),
        ("email", "None@none.com"),
        ("email", "unknown@gmail.com"),
        ("patient_id", " 0000 "),
        ("client_id", "(not set)"),
    ],
)
def test_a_placeholder_is_nobodys(kind, written):
    assert DOOR.hash(kind, written) is None


def test_placeholders_are_a_list_that_may_be_edited(tmp_path):
    (tmp_path / "placeholders.csv").write_text("kind,pattern\nemail,^front\\.desk@\n")
    own = Door(b"k" * 32, placeholders=placeholders(tmp_path))
    assert own.hash("email", "front.desk@clinic.org") is None
    assert own.hash("email", "none@none.com") is not None
    for wrong in ("kind,pattern\nfax,x\n", "kind,pattern\nemail,(\n"):
        folder = tmp_path / str(len(wrong))
        folder.mkdir()
        (folder / "placeholders.csv").write_text(wrong)
        with pytest.raises(BadInput, match="line 2"):
            placeholders(folder)
