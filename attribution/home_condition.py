"""Whether a home folder will do for a refresh: it is ours, can be written, and its disk works."""

import errno
from typing import NoReturn

from sqlalchemy.exc import DBAPIError

from attribution import warehouse
from attribution.at_rest import mend
from attribution.errors import StorageError
from attribution.paths import Home

# The errors of a full, failed or read-only disk; other operating system errors may be a network's.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


def own(home: Home) -> None:
    """Make the home folder ours alone, or say why it cannot be."""
    try:
        home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        writable(home)
        mend(home)  # also where somebody made it, or files in it, before us
    except PermissionError:
        _refuse(home)


def writable(home: Home) -> None:
    """Raise StorageError where the home folder cannot be written."""
    if not home.writable:
        _refuse(home)


def _refuse(home: Home) -> NoReturn:
    raise StorageError(
        f"{home.folder} cannot be written. Run this as the user who owns it, give it to yourself "
        "(chown, then chmod 700), or set CARETRACE_HOME to another folder; nothing was changed."
    )


def enough_space(home: Home) -> None:
    """Raise StorageError where a refresh might fill the disk."""
    free, needed = warehouse.free_space(home)
    if free < needed:
        raise StorageError(
            f"{home.folder} has {free / 1e9:.1f} GB free and a refresh may need "
            f"{needed / 1e9:.1f} GB. Free some space; nothing was changed."
        )


def spoils(error: BaseException | None) -> bool:
    """Whether our own database or disk failed, so that what was being built cannot be trusted."""
    while error is not None:
        if isinstance(error, DBAPIError):
            return True
        if isinstance(error, OSError) and error.errno in _DISK:
            return True
        error = error.__cause__
    return False
