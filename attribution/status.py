"""`caretrace status`: what is published, how the sources fare, and what an operator must know."""

from collections.abc import Iterator
from datetime import UTC, datetime

from attribution import warehouse
from attribution.backup import last_backup
from attribution.errors import BadInput
from attribution.holding import sends_held
from attribution.ledger import Ledger
from attribution.local_time import local
from attribution.paths import Home
from attribution.terminal import say


def status(home: Home) -> int:
    """Say how the installation stands; 1 where a source failed, else 0."""
    generation = warehouse.current_generation(home)
    if generation is None:
        raise BadInput(f"{home.folder} has nothing published yet. Run `caretrace refresh`.")
    with Ledger(home) as ledger:
        runs, sources = ledger.runs(1), ledger.sources()
        published = ledger.publications(1000)
    # A refresh that was killed right after it published has not written that down.
    every = published[published["generation"] == generation]
    # A rollback shows an older generation again and makes nothing in it newer.
    when = every.loc[every["reason"] == "refresh", "published_at"]
    back = ", rolled back" if (published.head(1)["reason"] == "rollback").all() else ""
    say(
        f"Generation {generation}{back if len(every) else ''}, published "
        f"{local(when.iloc[-1]) if len(when) else 'at an unknown time'}."
    )
    for run in runs.to_dict("records"):
        # What failed is said with each source below.
        message = "" if run["state"] == "partial" else run["message"]
        say(f"Last refresh: {run['state']}, started {local(run['started_at'])}. {message}".rstrip())
    for source in sources.to_dict("records"):
        # A missing text is NaN in a frame.
        told = source["last_success_at"]
        since = local(told) if isinstance(told, str) else "never"
        state = f"{source['state']}, last loaded {since}. {source['message']}"
        say(f"  {source['source']}: {state.rstrip()}")
    for sentence in _standing(home):
        say(sentence)
    return 1 if (sources["state"] == "failed").any() else 0


def _standing(home: Home) -> Iterator[str]:
    free, needed = warehouse.free_space(home)
    yield f"Disk: {free / 1e9:.1f} GB free; the next refresh may need {needed / 1e9:.1f} GB."
    held = sends_held(home)
    yield f"Sends: held. {held}" if held else "Sends: go out."
    at = last_backup(home)
    if at is None:
        yield "Backup: none was made yet. `caretrace backup TARGET` makes one."
    else:
        days = (datetime.now(UTC) - datetime.fromisoformat(at)).days
        yield f"Backup: the last one was made {local(at)}, {days} days ago."
