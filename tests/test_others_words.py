"""What a vendor says is repeated without those whom it quotes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.others_words import HIDDEN, unnamed


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("no contact ann+x@clinic.example.", "no contact (hidden)."),
        ("?email=ann@clinic.example&page=2", "?email=(hidden)&page=2"),
        ("call +1 (503) 555-0142 back", "call (hidden) back"),
        ("(503) 555-0142 or 503.555.0142", "(hidden) or (hidden)"),
        ("Patient/ZQ7701884 is gone, MRN-0012345 too", "Patient/(hidden) is gone, (hidden) too"),
        ("status 400 on 2026-11-27 at 10:30: 12,345 rows", None),
        ("property 'knee_pain' of act_1234 does not exist", None),
    ],
)
def test_what_points_at_a_person_is_hidden(said, told):
    assert unnamed(said) == (told or said)


def test_numbers_of_the_settings_may_be_said():
    said = "customer 1234567890 of account 9876543210 may not be asked"
    told = "customer 1234567890 of account (hidden) may not be asked"
    assert unnamed(said, [["1234567890"], None]) == told


@settings(max_examples=30)
@given(
    st.text(max_size=20),
    st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,5})?@[a-z]{2,9}\.(org|com)", fullmatch=True),
    st.sampled_from([" ", "<", ">", "'", '"', "(", ")", ",", ";", ":", "=", "/"]),
)
def test_no_address_is_ever_repeated(before, address, apart):
    said = unnamed(f"{before}{apart}{address}{apart}{before}")
    assert address not in said
    assert HIDDEN in said
