"""Files of reports that were sent long ago are removed; what the books say of them stays.

State, places, SHA-256 and manifest are kept for good, so a file that somebody has can still be told
to be the one that was sent.
"""

import shutil
from datetime import datetime, timedelta

from attribution.paths import Home
from attribution.schedule.books import Books
from attribution.schedule.sending import folder_of_send


def prune(home: Home, books: Books, keep_days: int, now: datetime) -> int:
    """Remove the files of sends that ended more than `keep_days` ago; 0 keeps them for ever.

    Returns of how many sends. Within `only_sender`; what waits or is being sent keeps its file.
    """
    if not keep_days:
        return 0
    removed = 0
    for key in books.ended_before(now - timedelta(days=keep_days)):
        folder = folder_of_send(home, key)
        if folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)  # what is left is tried again
            removed += not folder.exists()
    return removed
