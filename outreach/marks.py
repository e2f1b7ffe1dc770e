"""Marks: by what a message is found again among those that a carrier lists.

A carrier that takes no key of ours lists addresses and texts. A mark is two keyed hashes, one of
each, so that the outbox holds neither in clear.
"""

import hmac
import unicodedata

from attribution.paths import Home
from attribution.privacy import load_key

_HALF = 16  # hexadecimal digits


def mark_key(home: Home) -> bytes:
    """The key of marks, from the installation's own."""
    return hmac.digest(load_key(home), b"caretrace outbox marks", "sha256")


def mark(key: bytes, to: str, text: str) -> str:
    """The mark of a text to an address."""
    return _digest(key, "to", to) + _digest(key, "text", plain(text))


def same_address(key: bytes, found: str, to: str) -> bool:
    """Whether a mark is of a message to this address."""
    return found[:_HALF] == _digest(key, "to", to)


def plain(text: str) -> str:
    """Letters and digits of a text: carriers put other quotes, dashes and spaces for some."""
    spelled = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in spelled if sign.isascii() and sign.isalnum()).lower()


def _digest(key: bytes, kind: str, text: str) -> str:
    return hmac.digest(key, f"{kind}\x1f{text}".encode(), "sha256").hex()[:_HALF]
