"""Normal forms: one way to write each identifier, so that the same one has the same hash.

Each function answers None for what cannot identify anybody. Applied to its own answer each changes
nothing. A first name is only ever compared between rows that share an e-mail or a phone.
"""

import re
import unicodedata
from collections.abc import Mapping

import phonenumbers

# From the one that says most about who a person is to the one that says least. The first that a
# row has stands for the row: identity makes all identifiers of one row the same person.
STRENGTH = (
    "patient_id", "crm_id", "email_name", "phone_name", "email", "phone", "client_id", "click_id",
)  # fmt: skip
# Those that a text alone can be; the others are of two.
WHOLE = tuple(kind for kind in STRENGTH if not kind.endswith("_name"))
_DASHES = re.compile("[\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_UNSEEN = re.compile("[\u200b-\u200f\u2060\ufeff]")
_WORDS = re.compile(r"[^\W\d_]+")
# What stands before a name, or in place of one where a newborn has none yet.
_TITLES = {
    "mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir", "rev", "sr", "sra", "srta", "baby", "boy",
    "girl", "babyboy", "babygirl", "newborn", "infant", "twin", "bb", "bg",
}  # fmt: skip
_GMAIL = ("gmail.com", "googlemail.com")
# Of the North American plan: whoever answers there is a company, not a person.
_TOLL_FREE = ("800", "822", "833", "844", "855", "866", "877", "888")
_POSSIBLE = phonenumbers.ValidationResult.IS_POSSIBLE
_COMPANIES = {
    phonenumbers.PhoneNumberType.TOLL_FREE,
    phonenumbers.PhoneNumberType.PREMIUM_RATE,
    phonenumbers.PhoneNumberType.SHARED_COST,
    phonenumbers.PhoneNumberType.UAN,
}


def email(value: str, *, plus: bool = False, dots: bool = False) -> str | None:
    """Lower case, international domains in their ASCII form; None where it cannot be an address.

    `plus` takes `a+b@x.org` for `a@x.org`, and `dots` takes the dots out of Gmail's names.
    """
    if not value.isascii():
        value = _UNSEEN.sub("", unicodedata.normalize("NFKC", value))
    value = value.strip().lower()
    name, at, domain = value.rpartition("@")
    if not value.isascii():
        domain = _ascii(domain)
    domain = domain.rstrip(".")
    if plus:
        name = name.partition("+")[0]
    if dots and domain in _GMAIL:
        name, domain = name.replace(".", ""), _GMAIL[0]
    possible = at and name and "@" not in name and "." in domain and len(value.split()) == 1
    # Lower case of some letters is not in normal form; the second time changes nothing more.
    return f"{unicodedata.normalize('NFKC', name)}@{domain}" if possible else None


def _ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def phone(value: str, region: str) -> str | None:
    """E.164 (`+15035550142`), with an extension after `;ext=`; None for what is no person's.

    Numbers without a country's code are of `region`. Short codes, toll-free and premium numbers
    are companies'; one without its area code may be anybody's.
    """
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    # Without its area code a number is one of many people's.
    if phonenumbers.is_possible_number_with_reason(number) != _POSSIBLE:
        return None
    if number.country_code == 1:
        if str(number.national_number).startswith(_TOLL_FREE):
            return None
    elif phonenumbers.number_type(number) in _COMPANIES:
        return None
    whole = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{whole};ext={number.extension}" if number.extension else whole


def record_number(value: str) -> str:
    """A number of some system's: leading zeros and case are kept, space and odd dashes are not."""
    if value.isascii():
        return value.strip()
    value = _UNSEEN.sub("", _DASHES.sub("-", value))
    return _DASHES.sub("-", unicodedata.normalize("NFKC", value)).strip()


def given_name(value: str, same: Mapping[str, str]) -> str | None:
    """The first word of a first name without accents, titles and initials, None where none is left.

    `same` says which name a short form stands for.
    """
    words = _WORDS.findall(_bare(value))
    first = next((word for word in words if len(word) > 1 and word not in _TITLES), None)
    return same.get(first, first) if first else None


def _bare(value: str) -> str:
    """Small letters without accents; some letters have them only once they are written plainly."""
    while True:
        plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", value).casefold())
        bare = "".join(sign for sign in plain if not unicodedata.combining(sign))
        bare = unicodedata.normalize("NFKC", bare)
        if bare == value:
            return bare
        value = bare
