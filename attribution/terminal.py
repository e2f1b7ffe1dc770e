"""What every command needs: the home folder it is about, days as they are typed, and a voice."""

import argparse
import os
import stat
import sys
import unicodedata
from contextlib import suppress
from datetime import date
from io import TextIOWrapper
from pathlib import Path
from secrets import token_hex

from attribution import settings
from attribution.errors import BadInput
from attribution.paths import Home

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def home_folder() -> Home:
    """The home folder of this installation, which may yet be made.

    Raises BadInput where something else stands in its place.
    """
    home = settings.home()
    if home.folder.exists() and not home.folder.is_dir():
        raise BadInput(f"{home.folder} is a file. Set CARETRACE_HOME to a folder.")
    return home


def day(text: str) -> date:
    """A day as 2026-01-05, for an option of a command."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a day: write year, month and day as 2026-01-05"
        ) from None


def say_anything() -> None:
    """Let a terminal that has not every letter show the others by their numbers.

    Names of people's own (a title, a folder) end no command that has done its work.
    """
    if isinstance(sys.stdout, TextIOWrapper) and "utf" not in sys.stdout.encoding.lower():
        with suppress(OSError):  # it is asked where it stands in a file, which it may be none
            sys.stdout.reconfigure(errors="backslashreplace")  # as standard error is


def say(sentence: str) -> None:
    """Write a sentence to whoever asked, at once."""
    print(seen(sentence), flush=True)


def note(sentence: str) -> None:
    """Write a sentence beside what was asked for, which may go into a file or a pipe."""
    print(f"caretrace: {seen(sentence)}", file=sys.stderr)


def prove_out(out: Path | None) -> None:
    """Raise BadInput where no file can be written: before anything is kept, or fitted for long."""
    if out is None:
        return
    if not out.absolute().parent.is_dir():
        raise BadInput(f"There is no folder {out.parent} to write {out.name} into.")
    if out.is_dir():
        raise BadInput(f"{out} is a folder. Name a file in it, and try again.")
    if out.exists() and not os.access(out, os.W_OK):
        raise BadInput(f"{out} may not be written by you. Name another file, and try again.")
    folder = out.resolve().parent
    # A pipe or a device is written into, and its folder does not change.
    if (out.is_file() or not out.exists()) and not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput(f"Nothing may be written into {folder} by you. Name a file elsewhere.")


def write_out(out: Path, content: bytes) -> None:
    """Write a file that was asked for: it is there whole, or stays what it was.

    It may be read by whoever could before, a new one by whom the umask lets. A pipe or a device is
    written into as it stands.
    """
    if out.exists() and not out.is_file():
        out.write_bytes(content)
        return
    into = out.resolve()
    partial = into.with_name(f".{token_hex(8)}.partial")
    try:
        if into.exists():
            before = into.stat()
            partial.touch(0o600, exist_ok=False)
            with suppress(OSError):  # a share may know no modes
                if partial.stat().st_gid != before.st_gid:
                    os.chown(partial, -1, before.st_gid)
                partial.chmod(stat.S_IMODE(before.st_mode))
        else:
            partial.touch(exist_ok=False)
        partial.write_bytes(content)
        partial.replace(into)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def seen(sentence: str) -> str:
    """Without signs that a terminal obeys, or cannot write: names in it may come from anybody."""
    return "".join(
        sign for sign in sentence if sign in "\n\t" or unicodedata.category(sign) not in _UNSEEN
    )
