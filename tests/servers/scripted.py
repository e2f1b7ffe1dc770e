"""A source in memory: a test says which slices it has, and may change its mind between refreshes.

A test puts a script under a name; a source of kind `scripted` with the option `script` plays it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from connectors.errors import SourceMisconfigured
from connectors.source import Context, Item, Option, Slice

OPTIONS = (
    Option("script", "Name of the script to play."),
    Option("token", "A secret.", required=False, secret=True),
)

Script = Callable[[Context, Mapping[str, str]], Iterable[Slice]]
SCRIPTS: dict[str, Script] = {}


class Scripted:
    """Plays one script."""

    def __init__(self, context: Context, script: Script) -> None:
        self.context = context
        self.script = script

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        yield from self.script(self.context, cursors)

    def probe(self) -> str:
        return "scripted."


def connect(context: Context) -> Scripted:
    """The source that plays the script named in the settings."""
    name = context.options["script"]
    if name not in SCRIPTS:
        raise SourceMisconfigured(f"There is no script {name!r}.")
    return Scripted(context, SCRIPTS[name])


def slices(*pieces: Slice) -> Script:
    """A script that always has these slices."""
    return lambda _context, _cursors: pieces


def slice_of(
    *items: Item, name: str = "slice", rows: tuple[type, ...] = (), **more: object
) -> Slice:
    """A slice that yields these items; the kinds of row are those of the items."""
    kinds = rows or tuple(dict.fromkeys(type(i) for i in items if hasattr(i, "spec")))
    more = {"cursor_key": name, **more}
    return Slice(name=name, rows=kinds, read=lambda: iter(items), **more)
