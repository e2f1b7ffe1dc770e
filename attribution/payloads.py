"""Payloads: what sources answered, kept as fetched, so that a changed mapping can be replayed.

They are compressed and sealed: AES-256-GCM in chunks, as in the STREAM construction (Hoang,
Reyhanitabar, Rogaway and Vizar 2015, "Online authenticated-encryption and its nonce-reuse
misuse-resistance"). Each file has a key of its own, derived from the payload key and a random salt;
the nonce of a chunk is its number and whether it is the last. The place of the file (source,
account, run and name) is authenticated with each chunk, so a file that is cut short, or put where
another was, does not open. Payloads of versions that did not seal are read as they are.
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import zstandard

from attribution.at_rest import sync, writing
from attribution.errors import StorageError
from attribution.keys import derived, fingerprint
from attribution.paths import Home

SEALED, PLAIN = ".zst.enc", ".zst"
CHUNK = 1 << 20
_MAGIC, _PRINT, _SALT, _TAG = b"CTP1", 8, 16, 16
_HEADER = len(_MAGIC) + _PRINT + _SALT
_PURPOSE = b"caretrace payload 1"


@dataclass(frozen=True, slots=True)
class Payloads:
    """The payloads of a home folder, and the keys that open them: the newest seals."""

    home: Home
    keys: tuple[bytes, ...] = field(repr=False)

    def folder(self, source: str, account: str, run_id: str) -> Path:
        """Where the payloads of one run of a source go."""
        # An account's name may hold slashes, and must not lead out of the folder.
        return self.home.raw / source / quote(account, safe="").replace(".", "%2E") / run_id

    def keep(self, into: Path, name: str, payload: bytes) -> None:
        """Keep a payload as fetched, sealed, write-once and durable."""
        self._write(into / f"{name}{SEALED}", zstandard.compress(payload))

    def read(self, path: Path) -> bytes:
        """A payload as it was fetched; raises StorageError where it is not what was kept."""
        try:
            return zstandard.decompress(self._compressed(path))
        except zstandard.ZstdError:
            raise StorageError(f"{path} is damaged. Remove it; nothing else needs it.") from None

    def every(self) -> Iterator[Path]:
        """Every payload that is kept, sealed or not."""
        for path in sorted(self.home.raw.rglob(f"*{PLAIN}*")):
            if path.name.endswith((SEALED, PLAIN)) and path.is_file():
                yield path

    def stale(self) -> Iterator[Path]:
        """Those that are not sealed, or not under the newest key."""
        newest = fingerprint(self.keys[-1])
        for path in self.every():
            if path.name.endswith(PLAIN) or self._sealed_under(path) != newest:
                yield path

    def remove(self, paths: Iterable[Path]) -> int:
        """Remove some payloads, and what a kill left half written; durably. How many there were."""
        gone = [*paths, *self.home.raw.rglob(f"*{SEALED}.tmp")]
        for path in gone:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in gone}:
            sync(folder)
        return len(gone)

    def reseal(self, path: Path) -> None:
        """Seal one payload under the newest key; killed at any point, one whole file is there."""
        compressed = self._compressed(path)
        self._write(_sealed_path(path), compressed)
        if path.name.endswith(PLAIN):
            path.unlink()

    def _compressed(self, path: Path) -> bytes:
        content = path.read_bytes()
        if path.name.endswith(PLAIN):
            return content
        by_name = {fingerprint(key): key for key in self.keys}
        key = by_name.get(_named(content))
        if key is None:
            raise StorageError(
                f"{path} is sealed under a key that is not in {self.home.keyring}. Put that file "
                "back from a backup of its day, or remove the payload."
            )
        opened = _opened(key, content, self._place(path))
        if opened is None:
            raise StorageError(
                f"{path} is not what was kept there: it was changed, cut short, or is another "
                "payload's. Remove it; nothing else needs it."
            )
        return opened

    def _sealed_under(self, path: Path) -> str:
        with path.open("rb") as file:
            return _named(file.read(_HEADER))

    def _write(self, path: Path, compressed: bytes) -> None:
        folder = path.parent
        fresh = not folder.is_dir()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.tmp")
        with writing(partial) as file:
            file.writelines(_sealed(self.keys[-1], compressed, self._place(path)))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync(folder)  # the key that opens an old one may be given up next
        while fresh and folder != self.home.folder:
            folder = folder.parent
            sync(folder)

    def _place(self, path: Path) -> bytes:
        """Source, account, run and name, as authenticated with each chunk."""
        return _sealed_path(path).relative_to(self.home.raw).as_posix().encode()


def _sealed_path(path: Path) -> Path:
    return path if path.name.endswith(SEALED) else path.with_name(f"{path.name}.enc")


def _named(content: bytes) -> str:
    return content[len(_MAGIC) : len(_MAGIC) + _PRINT].hex() if content[:4] == _MAGIC else ""


def _sealed(key: bytes, compressed: bytes, place: bytes) -> Iterator[bytes]:
    """A file's header, then its chunks; there is always a last one, if an empty one."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt = secrets.token_bytes(_SALT)
    header = _MAGIC + bytes.fromhex(fingerprint(key)) + salt
    yield header
    cipher = AESGCM(derived(key, _PURPOSE, salt))
    starts = range(0, max(len(compressed), 1), CHUNK)
    for number, start in enumerate(starts):
        nonce = _nonce(number, last=start == starts[-1])
        yield cipher.encrypt(nonce, compressed[start : start + CHUNK], header + place)


def _opened(key: bytes, content: bytes, place: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    header = content[:_HEADER]
    cipher = AESGCM(derived(key, _PURPOSE, header[-_SALT:]))
    starts = range(_HEADER, max(len(content), _HEADER + 1), CHUNK + _TAG)
    parts = []
    try:
        for number, start in enumerate(starts):
            nonce = _nonce(number, last=start == starts[-1])
            parts.append(
                cipher.decrypt(nonce, content[start : start + CHUNK + _TAG], header + place)
            )
    except InvalidTag:
        return None
    return b"".join(parts)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
