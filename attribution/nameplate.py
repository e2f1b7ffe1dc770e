"""Which home folder this is: a number of its own, kept in it, for engines that serve several.

Neither host nor path will do: a container has another host name each time it is started, and two
hosts may call their folders alike. The number goes along when the folder is moved or renamed, and
not into a copy or a restored backup: it counts only in the very file into which it was written, as
two folders that take each other for one would take each other's lock.
"""

import os
import re
import secrets

from attribution.at_rest import sync, writing
from attribution.paths import Home

_WRITTEN = re.compile(r"([0-9a-f]{16}) ([0-9]+)\n")


def nameplate(home: Home) -> str:
    """Sixteen hexadecimal digits; made where the folder has none of its own yet.

    Raises OSError where the folder cannot be read or written.
    """
    path = home.folder / "nameplate"
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            found = _WRITTEN.fullmatch(file.read())
            if found and int(found[2]) == os.fstat(file.fileno()).st_ino:
                return found[1]
    except FileNotFoundError:
        pass
    made, partial = secrets.token_hex(8), path.with_name("nameplate.tmp")
    with writing(partial) as file:
        file.write(f"{made} {os.fstat(file.fileno()).st_ino}\n".encode("ascii"))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)  # which keeps the file that its number names
    sync(home.folder)
    return made
