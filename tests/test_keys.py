"""Keys: the outer one opens the keyring, the inner ones hash and seal, and no file says any."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from attribution import audit, doctor, keys, payloads
from attribution.at_rest import mend, open_to_others, require_private
from attribution.errors import SettingsError, StorageError
from attribution.identity import open_vault
from attribution.keys import Keyring, derived, fingerprint, keep, keyring, load_key
from attribution.paths import Home
from attribution.payloads import Payloads
from attribution.rehashing import bring_up_vault
from attribution.settings import Settings

OUTER = "an outer key of thirty-two letters!!"
OTHER = "another outer key of thirty letters!"


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_made_once_for_their_owner_only(home):
    before = os.umask(0)
    try:
        with ThreadPoolExecutor(4) as pool:
            rings = list(pool.map(lambda _: keyring(home), range(8)))
    finally:
        os.umask(before)
    assert len(set(rings)) == 1
    assert keyring(home) == rings[0]
    assert {path.name: mode(path) for path in home.folder.iterdir()} == dict.fromkeys(
        ("key", "keyring", "keyring.lock"), 0o600
    )


def test_inner_keys_are_neither_shown_nor_stored_in_the_clear(home):
    ring = keyring(home)
    for key in (*ring.hashing, *ring.payloads):
        assert len(key) == 32
        assert key not in home.keyring.read_bytes()
        assert repr(key)[2:-1] not in repr(ring)
        assert key.hex() not in repr(ring)
    assert len({home.key.read_bytes(), *ring.hashing, *ring.payloads}) == 3


@pytest.mark.parametrize("place", ["environment", "credential", "secrets"])
def test_the_outer_key_may_be_kept_elsewhere(home, monkeypatch, place):
    if place == "environment":
        monkeypatch.setenv("CARETRACE_KEY", OUTER)
    elif place == "credential":
        (home.folder / "given").mkdir()
        (home.folder / "given" / "CARETRACE_KEY").write_text(f"{OUTER}\n")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(home.folder / "given"))
    else:
        home.secrets.write_text(f'key = "{OUTER}"\n')
    ring = keyring(home)
    assert not home.key.exists()
    assert load_key(home) == ring.hashing[0] != OUTER.encode()
    monkeypatch.setenv("CARETRACE_KEY", OTHER)
    with pytest.raises(SettingsError, match="No key opens") as caught:
        keyring(home)
    assert OTHER not in str(caught.value)


def test_a_new_outer_key_opens_the_same_keys(home, monkeypatch):
    monkeypatch.setenv("CARETRACE_KEY", OUTER)
    ring = keyring(home)
    monkeypatch.setenv("CARETRACE_NEW_KEY", OTHER)
    keep(home, ring, OTHER.encode())
    assert keyring(home) == ring  # by the new one, beside the old one
    monkeypatch.setenv("CARETRACE_KEY", OTHER)
    monkeypatch.delenv("CARETRACE_NEW_KEY")
    assert keyring(home) == ring


def test_what_was_hashed_before_there_was_a_keyring_still_is_the_same(home, monkeypatch):
    monkeypatch.setenv("CARETRACE_KEY", OUTER)
    home.vault.touch()
    assert load_key(home) == OUTER.encode()
    assert keyring(home).payloads[0] != OUTER.encode()


def test_a_key_that_is_lost_is_not_made_anew(home):
    keyring(home)
    home.key.unlink()
    with pytest.raises(StorageError, match=r"key of .* is missing"):
        keyring(home)
    assert not home.key.exists()


def test_a_keyring_that_is_lost_is_not_made_anew(home):
    """What it sealed in the audit log meanwhile would fit no seal, and the doctor saw nothing."""
    ring = keyring(home)
    with open_vault(home) as vault:
        bring_up_vault(vault, ring)
    home.keyring.unlink()
    with pytest.raises(StorageError, match=r"keyring of .* is missing"):
        audit.record(home, "somebody", audit.SENDS_HELD, "sends")
    assert not home.keyring.exists()
    [found] = doctor._keys(Settings(home))
    assert (found.fine, found.sentence) == (False, keys.keyring_gone(home))


def test_a_vault_under_another_key_is_not_used(home):
    with open_vault(home) as vault:
        bring_up_vault(vault, Keyring((b"k" * 32,), (b"p" * 32,)))
        with pytest.raises(StorageError, match="hashed under another key"):
            bring_up_vault(vault, Keyring((b"l" * 32,), (b"p" * 32,)))


def test_a_keyring_that_was_changed_opens_with_nothing(home):
    keyring(home)
    content = bytearray(home.keyring.read_bytes())
    for place in (0, 5, len(content) - 1):
        content[place] ^= 1
        home.keyring.write_bytes(content)
        with pytest.raises(SettingsError, match="No key opens"):
            keyring(home)
        content[place] ^= 1


def test_derived_keys_are_those_of_the_standard():
    """RFC 5869, appendix A.1, cut to 32 bytes."""
    key, salt = bytes([0x0B] * 22), bytes(range(13))
    expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
    assert derived(key, bytes(range(0xF0, 0xFA)), salt).hex() == expected


def test_each_entry_is_sealed_by_the_key_of_its_time():
    ring = Keyring((b"a" * 32, b"b" * 32, b"c" * 32), (b"p" * 32,), (1, 5, 5))
    used = [ring.of_audit(number) for number in range(1, 8)]
    assert used[:4] == [used[0]] * 4
    assert used[4:] == [used[4]] * 3
    assert used[4] == Keyring((b"c" * 32,), ()).of_audit(1)


def test_a_log_cut_back_to_before_a_change_of_keys_is_found(home):
    keyring(home)
    audit.record(home, "ann", audit.EXPORTED, "report")
    ring, outer = keys.unlocked(home)
    keep(home, Keyring((*ring.hashing, b"n" * 32), ring.payloads, (1, 3)), outer)
    assert audit.verify(home).problems == ("Entries up to 2 were there; some are gone.",)


def kept(home: Home, payload: bytes, name: str = "page.json"):
    store = Payloads(home, keyring(home).payloads)
    folder = store.folder("ads", "main", "20260101T000000-abc")
    store.keep(folder, name, payload)
    return store, folder / f"{name}.zst.enc"


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory) -> Home:
    return Home(tmp_path_factory.mktemp("payloads"))


@pytest.mark.parametrize("chunk", [7, 1 << 20])
@given(st.binary(max_size=60))
@examples(max_examples=25)
def test_a_payload_comes_back_as_it_was(shared_home, chunk, payload):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payloads, "CHUNK", chunk)
        store, path = kept(shared_home, payload)
        assert store.read(path) == payload
        assert mode(path) == 0o600


def test_no_cut_and_no_change_of_a_payload_is_taken_for_it(home, monkeypatch):
    monkeypatch.setattr(payloads, "CHUNK", 8)
    store, path = kept(home, bytes(range(40)))
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place])
        with pytest.raises(StorageError):
            store.read(path)
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(StorageError):
            store.read(path)
    chunks = [content[n : n + 24] for n in range(28, len(content), 24)]
    path.write_bytes(content[:28] + b"".join([chunks[1], chunks[0], *chunks[2:]]))
    with pytest.raises(StorageError, match="not what was kept there"):
        store.read(path)


def test_a_payload_put_where_another_was_is_not_taken_for_it(home):
    store, path = kept(home, b"of march")
    _, other = kept(home, b"of april", "other.json")
    other.write_bytes(path.read_bytes())
    with pytest.raises(StorageError, match="another payload's"):
        store.read(other)


def test_what_a_kill_left_half_written_goes_with_what_is_removed(home):
    store = Payloads(home, keyring(home).payloads)
    into = store.folder("crm", "crm", "20250301T000000-abcdef")
    store.keep(into, "one.json", b"{}")
    (path,) = store.every()
    left = path.with_name(f"{path.name}.tmp")
    left.write_bytes(path.read_bytes()[:40])
    assert store.remove([path]) == 2
    assert list(into.iterdir()) == []


def test_a_payload_tells_nothing_of_what_is_in_it(home):
    _, path = kept(home, b"canary " * 50)
    content = path.read_bytes()
    assert b"canary" not in content
    assert b"canary" not in zstandard.compress(b"x") + content
    assert kept(home, b"canary " * 50)[1].read_bytes() != content


def test_payloads_of_before_they_were_sealed_are_read_and_sealed(home):
    store, path = kept(home, b"new")
    plain = path.with_name("old.json.zst")
    plain.write_bytes(zstandard.compress(b"old"))
    assert store.read(plain) == b"old"
    turned = Payloads(home, (*store.keys, b"n" * 32))
    assert sorted(turned.stale()) == [plain, path] == sorted(turned.every())
    for each in list(turned.stale()):
        turned.reseal(each)
    assert not plain.exists()
    assert list(turned.stale()) == []
    after = Payloads(home, (b"n" * 32,))
    assert {each.name: after.read(each) for each in after.every()} == {
        "old.json.zst.enc": b"old",
        "page.json.zst.enc": b"new",
    }
    with pytest.raises(StorageError, match="under a key that is not in"):
        store.read(path)
    assert fingerprint(b"n" * 32) != fingerprint(store.keys[0])


def test_the_home_folder_is_closed_to_others(home):
    (home.folder / "drop").mkdir()
    (home.folder / "drop" / "patients.csv").touch()
    for path in (home.folder, home.folder / "drop", home.folder / "drop" / "patients.csv"):
        path.chmod(0o777)
    (home.folder / "elsewhere").symlink_to("/")
    assert len(open_to_others(home)) == 3
    assert mend(home) == 3
    assert open_to_others(home) == []
    assert mode(home.folder / "drop" / "patients.csv") == 0o700


def test_a_folder_that_stays_open_to_others_is_refused(home, monkeypatch):
    home.folder.chmod(0o755)
    # As on a disk that knows no permissions, or for somebody who is not the owner.
    monkeypatch.setattr(type(home.folder), "chmod", lambda *_: None)
    for look in (mend, require_private):
        with pytest.raises(StorageError, match="Others on this computer can read"):
            look(home)
