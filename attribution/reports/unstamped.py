"""Files that are zips, without the time at which they were made: the same parts, the same bytes."""

import io
import re
import zipfile
from datetime import datetime

CREATED = datetime(2000, 1, 1)  # noqa: DTZ001  the formats know no time zone
_STAMP = (2000, 1, 1, 0, 0, 0)
_DATES = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(</dcterms:)")


def unstamped(content: bytes) -> bytes:
    """A zip file with the same parts, and in workbooks within, at one fixed time."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            part = old.read(name)
            if name.endswith(".xlsx"):
                part = unstamped(part)
            if name == "docProps/core.xml":
                part = _DATES.sub(rb"\g<1>2000-01-01T00:00:00Z\g<2>", part)
            new.writestr(zipfile.ZipInfo(name, _STAMP), part, zipfile.ZIP_DEFLATED)
    return file.getvalue()
