"""The keys: an outer key that you keep, and inner keys that it seals in the file `keyring`.

Inner keys are random and never change what they mean: with the hashing keys identifiers become
hashes (several, where one was replaced: a value goes through them in turn), with the payload keys
what sources answered is sealed. The outer key opens the keyring and does nothing else, so that it
can be changed at any time. Sealing is AES-256-GCM (NIST SP 800-38D) under a key that HKDF-SHA-256
(RFC 5869) derives for that one purpose.

An installation from before there was a keyring hashed under its only key: it goes on doing so.
"""

import fcntl
import hmac
import json
import os
import secrets
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from attribution.at_rest import lock_file, write_whole
from attribution.errors import SettingsError, StorageError
from attribution.ledger import Ledger
from attribution.paths import Home

KEY_VARIABLE, NEW_KEY_VARIABLE = "CARETRACE_KEY", "CARETRACE_NEW_KEY"
# The folder of a service's credentials, each a file (systemd.exec(5), LoadCredential=).
CREDENTIALS = "CREDENTIALS_DIRECTORY"
SHORTEST = 32  # characters of an outer key
_MAGIC, _NONCE = b"CTK1", 12
_KEYRING, _PRINT = b"caretrace keyring 1", b"caretrace fingerprint 1"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The inner keys, oldest first.

    `sealed_from` has, for every hashing key, the number of the first entry of the audit log that
    is sealed under it. There is more than one payload key only while payloads are sealed anew.
    """

    hashing: tuple[bytes, ...] = field(repr=False)
    payloads: tuple[bytes, ...] = field(repr=False)
    sealed_from: tuple[int, ...] = (1,)

    def of_audit(self, number: int) -> bytes:
        """The key that seals an entry of the audit log."""
        known = zip(self.hashing, self.sealed_from, strict=True)
        key = [key for key, first in known if first <= max(number, 1)][-1]
        return hmac.digest(key, b"caretrace audit log", "sha256")

    def of_cookies(self) -> bytes:
        """The key that signs cookies while somebody signs in."""
        return hmac.digest(self.hashing[-1], b"caretrace sign-in cookies", "sha256")

    @property
    def names(self) -> tuple[str, ...]:
        """What stores note to tell under which of the hashing keys they are."""
        return tuple(fingerprint(key) for key in self.hashing)


def fingerprint(key: bytes) -> str:
    """A name for a key, which tells nothing of it."""
    return derived(key, _PRINT)[:8].hex()


def derived(key: bytes, purpose: bytes, salt: bytes | None = None) -> bytes:
    """A key of 32 bytes for one purpose (HKDF-SHA-256)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt, purpose).derive(key)


def load_key(home: Home) -> bytes:
    """The installation's first hashing key, which stays its own for good.

    Whatever must stay as it was (who is held out of a flow) is derived from this one.
    """
    return keyring(home).hashing[0]


def keyring(home: Home) -> Keyring:
    """The keys of a home folder; made on first use.

    Raises SettingsError where no key opens them, StorageError where keys are missing.
    """
    return unlocked(home)[0]


def unlocked(home: Home) -> tuple[Keyring, bytes]:
    """The keys of a home folder and the outer key that opens them."""
    if (sealed := _content(home.keyring)) is None:
        return _first(home)
    tried = False
    for outer in outer_keys(home):
        tried = True
        if (ring := _opened(sealed, outer)) is not None:
            return ring, outer
    if not tried:
        raise _missing(home)
    raise SettingsError(
        f"No key opens {home.keyring}. Set {KEY_VARIABLE} to the key that it was last sealed "
        f"under, or put {home.key} back from a backup."
    )


def keep(home: Home, ring: Keyring, outer: bytes) -> None:
    """Seal the keyring under an outer key: after a power cut the old one stands, or this one."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    content = {
        "hashing": [key.hex() for key in ring.hashing],
        "payloads": [key.hex() for key in ring.payloads],
        "sealed_from": ring.sealed_from,
    }
    nonce = secrets.token_bytes(_NONCE)
    cipher = AESGCM(derived(outer, _KEYRING))
    sealed = cipher.encrypt(nonce, json.dumps(content).encode("ascii"), _MAGIC)
    write_whole(home.keyring, _MAGIC + nonce + sealed)


def outer_keys(home: Home) -> Iterator[bytes]:
    """Every outer key that is at hand: what is in use first, then what may just have taken over."""
    if text := os.environ.get(KEY_VARIABLE):
        yield _long_enough(text.encode(), f"{KEY_VARIABLE} is too short: give it")
    elif (key := _credential()) is not None:
        yield _long_enough(key, f"The credential {KEY_VARIABLE} is too short: give it")
    elif (key := _in_secrets(home)) is not None:
        yield _long_enough(key, f"key in {home.secrets} is too short: give it")
    elif home.key.exists():
        key = home.key.read_bytes().strip()
        if len(key) < SHORTEST:
            raise SettingsError(
                f"{home.key} does not hold a whole key. Put the file back from a backup."
            )
        yield key
    if text := os.environ.get(NEW_KEY_VARIABLE):
        yield _long_enough(text.encode(), f"{NEW_KEY_VARIABLE} is too short: give it")
    elif home.new_key.exists():
        yield home.new_key.read_bytes().strip()


def _long_enough(key: bytes, what: str) -> bytes:
    if len(key) < SHORTEST:
        raise SettingsError(f"{what} at least {SHORTEST} characters.")
    return key


def _credential() -> bytes | None:
    """The outer key where systemd hands it to a service; None where it hands none."""
    folder = os.environ.get(CREDENTIALS)
    try:
        return (Path(folder) / KEY_VARIABLE).read_bytes().strip() if folder else None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(
            f"The credential {KEY_VARIABLE} cannot be read ({error.strerror}). Correct "
            "LoadCredential= of the unit."
        ) from None


def _in_secrets(home: Home) -> bytes | None:
    try:
        found = tomllib.loads(home.secrets.read_text(encoding="utf-8-sig")).get("key")
    except (FileNotFoundError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None  # of what is wrong with it, the settings speak
    return str(found).encode() if found else None


def keyring_gone(home: Home) -> str:
    """What to do where there was a keyring and is none any more; "" where there is no such need.

    The vault notes its key since there are keyrings. Another one, made now, would join nobody, and
    what is written into the audit log meanwhile would fit no seal.
    """
    if home.keyring.exists() or not _noted(home):
        return ""
    return (
        f"The keyring of {home.folder} is missing: what is stored was hashed under a key that is "
        f"in it. Put {home.keyring} back from a backup."
    )


def _noted(home: Home) -> bool:
    """Whether the vault says under which key it is; one that cannot be read says nothing."""
    if not home.vault.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{home.vault.as_uri()}?mode=ro", uri=True)) as vault:
            return vault.execute("select key_name from hashed_under").fetchone() is not None
    except sqlite3.DatabaseError:
        return False


def _first(home: Home) -> tuple[Keyring, bytes]:
    """The first keyring of a home folder; only one is made, whoever comes at the same time."""
    used = _in_use(home)
    with _alone(home):
        if home.keyring.exists():
            return unlocked(home)
        if gone := keyring_gone(home):
            raise StorageError(gone)
        outer = next(outer_keys(home), None)
        if outer is None and used:
            raise _missing(home)
        if outer is None:
            outer = secrets.token_hex(32).encode("ascii")
            write_whole(home.key, outer)
        ring = Keyring((outer if used else secrets.token_bytes(32),), (secrets.token_bytes(32),))
        if home.writable:
            keep(home, ring, outer)
        return ring, outer


def _missing(home: Home) -> StorageError:
    # Another one, made now, would join nobody and fit no seal.
    return StorageError(
        f"The key of {home.folder} is missing: what is stored was hashed and sealed under it. Set "
        f"{KEY_VARIABLE}, or put {home.key} back from a backup."
    )


def _in_use(home: Home) -> bool:
    """Whether something was hashed or sealed here before there was a keyring."""
    if home.vault.exists():
        return True
    if not home.ledger.is_file():
        return False
    with Ledger(home) as ledger:
        return len(ledger.audited(1)) > 0


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    if home.folder.exists() and not home.writable:
        yield
        return
    home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock_file(home.folder / "keyring.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _opened(sealed: bytes, outer: bytes) -> Keyring | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    magic, start = sealed[: len(_MAGIC)], len(_MAGIC) + _NONCE
    nonce = sealed[len(_MAGIC) : start]
    if magic != _MAGIC or len(nonce) < _NONCE:
        return None
    try:
        content = AESGCM(derived(outer, _KEYRING)).decrypt(nonce, sealed[start:], _MAGIC)
    except InvalidTag:
        return None
    said = json.loads(content)
    hashing, payloads = (
        tuple(bytes.fromhex(key) for key in said[name]) for name in ("hashing", "payloads")
    )
    return Keyring(hashing, payloads, tuple(said["sealed_from"]))
