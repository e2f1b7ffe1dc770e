"""The doctor: checks settings, folders and sources, and says what to fix."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec

from attribution import generations, health_queries, queries, versions, warehouse
from attribution.at_rest import mend
from attribution.backup import last_backup
from attribution.errors import CaretraceError, StorageError
from attribution.forgetting import unfinished
from attribution.holding import sends_held
from attribution.keys import keyring_gone
from attribution.known_sources import published_otherwise
from attribution.paths import Home
from attribution.rotation import state
from attribution.schedule.probing import probes as schedule_probes
from attribution.settings import Settings
from attribution.sign_in import sign_in
from attribution.source_settings import (
    SourceSettings,
    connector,
    options_of,
    secret_variable,
    without_secrets,
)
from connectors import SOURCES
from connectors.errors import SourceError
from connectors.patience import Patience
from connectors.rest import Rest
from connectors.source import Context
from outreach.probing import probes

OLDEST_BACKUP = timedelta(days=8)  # a weekly one, and a day's grace
PATIENCE = Patience(attempts=2, socket_seconds=10, call_seconds=20)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    fine: bool
    sentence: str


_COMMON = (
    "any kind",
    "    account (default the source's name): Its name in reports of coverage, and part of",
    "        every row's key as the source's name is: leave both as they are once it was loaded.",
    "    patient_namespace (default emr): Whose record numbers these are.",
    "    crm_namespace (default crm): Whose contact numbers these are.",
)


def examine(settings: Settings) -> list[Finding]:
    """Look at everything that a refresh will need; sources are asked their smallest question."""
    return [
        *_looked("home folder", _home(settings)),
        *_looked("keys", _keys(settings)),
        *_looked("sign-in", _sign_in(settings)),
        *_looked("outreach", (Finding(*each) for each in probes(settings))),
        *_looked("schedule", (Finding(*each) for each in schedule_probes(settings.home))),
        *(_source(settings, source) for source in settings.sources),
        # No fault: where they are others indeed, nothing counts twice.
        *(
            Finding("sources", True, each)
            for each in published_otherwise(settings.home, settings.sources)
        ),
        *_service_lines(settings),
    ]


def _looked(subject: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """What a part of it finds; what stops that part is a finding too, and the others go on."""
    try:
        yield from findings
    except CaretraceError as error:
        yield Finding(subject, False, str(error))
    except OSError as error:
        yield Finding(subject, False, f"the system said no: {error}.")


def explain() -> str:
    """Every setting of every kind of source, as text."""
    lines = ["Settings of caretrace.toml, one table per source: [sources.<name>]", "", *_COMMON, ""]
    for kind in sorted(SOURCES):
        module = connector(kind)
        lines += [f'kind = "{kind}"', f"    {(module.__doc__ or '').strip().splitlines()[0]}"]
        for option in options_of(kind):
            needed = "required" if option.required else _in_words(option.default)
            place = secret_variable("<name>", option.name) if option.secret else option.name
            lines.append(f"    {place} ({needed}): {option.help}")
        lines.append("")
    return "\n".join(lines)


def _in_words(default: object) -> str:
    if default is None or default in ((), [], {}):
        return "optional"
    if isinstance(default, bool):
        return f"default {str(default).lower()}"
    values = default if isinstance(default, tuple | list) else (default,)
    return "default " + ", ".join(str(value) for value in values)


def _home(settings: Settings) -> Iterator[Finding]:
    home = settings.home
    yield _private(home)
    if not home.writable:
        advice = f"it cannot be written: run as its owner, or chown and chmod 700 {home.folder}"
        yield Finding("home folder", False, advice)
    engine = [Finding(*each) for each in warehouse.findings(home)]
    pages_only = any(each.subject == generations.PAGES_ONLY for each in engine)
    free, needed = warehouse.free_space(home)
    what = "pull" if pages_only else "refresh"
    yield Finding(
        "free space",
        free >= needed,
        f"{free / 1e9:.1f} GB free, a {what} may need {needed / 1e9:.1f} GB.",
    )
    if gone := generations.gone(home):
        yield Finding("generations", False, gone)
    yield from engine
    yield from _kept(home)
    if not (settings.sources or pages_only):
        yield Finding("sources", False, "none is configured: add a [sources.<name>] table.")


def _kept(home: Home) -> Iterator[Finding]:
    """Whether there is a backup of late, and whether sends are held."""
    if not home.ledger.is_file():
        return
    try:
        held, at = sends_held(home), last_backup(home)
    except CaretraceError as error:
        yield Finding("ledger", False, str(error))
        return
    if held:
        yield Finding("sends", False, f"they are held: {held} `caretrace release` ends it.")
    if at is None:
        # Not a fault: it may be kept in another way. Demonstrations need none.
        yield Finding("backup", True, "none was made: `caretrace backup TARGET` makes one.")
        return
    age = datetime.now(UTC) - datetime.fromisoformat(at)
    late = age > OLDEST_BACKUP
    advice = " Run `caretrace backup TARGET`." if late else ""
    yield Finding("backup", not late, f"the last one is {age.days} days old.{advice}")


def _private(home: Home) -> Finding:
    """Whether others can read the folder; what they can is closed to them."""
    try:
        closed = mend(home)
    except StorageError as error:
        return Finding("home folder", False, str(error))
    if not closed:
        return Finding("home folder", True, "only you can read it.")
    said = f"others could reach {closed:,} of its files and folders; now only you can."
    if home.secrets.is_file():
        said += (
            f" Where others use this computer, take what is in {home.secrets.name} for seen and "
            "change it."
        )
    return Finding("home folder", True, said)


def _keys(settings: Settings) -> Iterator[Finding]:
    """Whether the keys are there and what was begun with them, or for somebody, is finished."""
    home = settings.home
    if gone := keyring_gone(home):
        yield Finding("keys", False, gone)
    if home.keyring.is_file():
        try:
            now = state(home)
        except CaretraceError as error:
            yield Finding("keys", False, str(error))
            return
        fine = not (now.unfinished or now.stale)
        sentence = f"{now.payloads:,} payloads are sealed, under key {now.payload_key}."
        if now.stale:
            sentence = f"{now.stale:,} payloads are to be sealed anew: run `caretrace keys rotate`."
        elif now.unfinished:
            sentence = "a change of keys was stopped: run `caretrace keys rotate`; it goes on."
        yield Finding("keys", fine, sentence)
    if unfinished(home):
        sentence = "what is left of a forgotten person goes with the next `caretrace refresh`."
        yield Finding("forgotten", False, sentence)


def _service_lines(settings: Settings) -> Iterator[Finding]:
    """Which codes of published visits no rule of service lines knows."""
    if not any(source.kind.startswith("fhir") for source in settings.sources):
        return
    try:
        number = warehouse.current_generation(settings.home)
        if number is None or not versions.fits(settings.home, number):
            return
        found = health_queries.unknown_codes(queries.marts(settings.home, number, protected=False))
    except CaretraceError:
        return  # what is wrong with the home is said elsewhere
    coded = found[~found["code"].str.startswith("(") & found["people"].notna()]
    if not found.empty:
        named = "; ".join(
            f"{row.system} {row.code} ({row.visits:,.0f} visits)"
            for row in coded.head(3).itertuples()
        )
        yield Finding(
            "service lines",
            True,
            f"no rule knows {len(coded):,} codes that are of eleven people or more"
            f"{', such as ' + named if named else ''}: Data health lists them, "
            "docs/sources-fhir.md says how to add rules.",
        )


def _sign_in(settings: Settings) -> Iterator[Finding]:
    """Whether the provider answers as one, and whether what asks it is installed."""
    chosen = sign_in(settings.home)
    if chosen is None:
        if not settings.demo:
            # Not a fault: reports can be all that is wanted.
            advice = "nobody can sign in, so pages are not served: add [sign_in] for that."
            yield Finding("sign-in", True, advice)
        return
    if find_spec("authlib") is None:
        yield Finding("sign-in", False, "it needs a library: pip install 'caretrace[sign-in]'.")
    provider = Rest(
        "sign_in",
        "The identity provider",
        chosen.issuer,
        patience=PATIENCE,
        grant="correct issuer in [sign_in].",
    )
    try:
        said = provider.get("/.well-known/openid-configuration")
    except SourceError as error:
        yield Finding("sign-in", False, str(error))
        return
    fine = said.get("issuer") == chosen.issuer and "authorization_endpoint" in said
    yield Finding(
        "sign-in",
        fine,
        "the provider answers."
        if fine
        else "what answers at issuer calls itself by another name: correct issuer in [sign_in].",
    )


def _source(settings: Settings, source: SourceSettings) -> Finding:
    context = Context(
        name=source.name,
        account=source.account,
        options=source.options,
        now=datetime.now(UTC),
        first_day=settings.first_day,
    )
    try:
        return Finding(source.name, True, connector(source.kind).connect(context).probe())
    except SourceError as error:
        return Finding(source.name, False, without_secrets(str(error), source))
    except Exception as error:
        # Not ours to word: a client library quotes its token.
        kind = type(error).__name__
        return Finding(source.name, False, f"failed with an unexpected {kind}.")
