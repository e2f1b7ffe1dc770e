"""`caretrace outreach`: what it is told to do with flows, refusals and doubts."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attribution import audit
from attribution import settings as configuration
from attribution.errors import BadInput
from attribution.outreach_settings import Outreach, outreach_settings
from attribution.paths import Home
from attribution.roles import Reader
from attribution.terminal import note, say

if TYPE_CHECKING:
    from attribution.contacts import Contacts


def add_command(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register the command on a parser of commands."""
    parser = commands.add_parser("outreach", help="write to people, measured and by consent")
    what = parser.add_subparsers(required=True, metavar="{list,preview,approve,send,...}")

    def add(name: str, run: Any, text: str, *, flow: bool = True) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = what.add_parser(name, help=text)
        if flow:
            made.add_argument("flow", help="the flow's name, as `outreach list` has it")
        made.set_defaults(run=run)
        return made

    add("list", _list, "every flow: purpose, channels, approval, what is in its outbox", flow=False)
    preview = add("preview", _preview, "whom a flow would write to now, and what; nothing is kept")
    preview.add_argument("--people", action="store_true", help="show what one person would get")
    add("approve", _approve, "let exactly this version of a flow write to people")
    add("withdraw", _withdraw, "take the approval of a flow back: what waits is not sent")
    send = add("send", _send, "say what would be sent (a dry run), or send it with --live")
    send.add_argument("--live", action="store_true", help="really send")
    add("listen", _listen, "read now who wants no more, or is not there any more", flow=False)
    settle = add("settle", _settle, "say what became of messages that are in doubt")
    settle.add_argument("--as", dest="fate", choices=["sent", "unsent"], required=True)
    stop = add("stop", _stop, "never write to some addresses again, at once", flow=False)
    stop.add_argument(
        "addresses", type=Path, help="file with an e-mail or phone a line; - is stdin"
    )
    results = add("results", _results, "what a flow brought, beside those who were held out")
    results.add_argument(
        "--outcome", default="kept", choices=["kept", "reactivated", "money", "nps"]
    )
    results.add_argument("--level", type=float, default=0.9, help="of the intervals (0.9)")
    size = add("size", _size, "how many people a test needs", flow=False)
    size.add_argument("--base", type=float, required=True, help="share who come anyway, as 0.05")
    size.add_argument("--lift", type=float, required=True, help="added share to find, as 0.02")
    size.add_argument("--holdout", type=float, default=0.15, help="share held out (0.15)")
    size.add_argument("--power", type=float, default=0.8)
    size.add_argument("--level", type=float, default=0.9)


@contextmanager
def _opened() -> Iterator[tuple[Home, Outreach, bool, "Contacts", Any]]:
    """The home, what it says of outreach, whether it is simulated, its contacts and its outbox."""
    from attribution.contacts import Contacts
    from attribution.forgetting import silence
    from outreach.outbox import Outbox

    home = configuration.home()
    whole = configuration.load(home)
    settings = outreach_settings(home)
    if not settings.enabled:
        raise BadInput(
            f"Outreach is switched off. Set enabled = true under [outreach] in {home.config}, "
            "and refresh, so that addresses are kept (docs/outreach.md says how)."
        )
    silence(home)
    with Contacts(home) as contacts, Outbox(home) as outbox:
        yield home, settings, whole.demo, contacts, outbox


def _list(_options: argparse.Namespace) -> int:
    from outreach.flow import flows

    with _opened() as (home, settings, _demo, _contacts, outbox):
        for flow in flows(home).values():
            ways = [f"{name} ({settings.way(flow.name, name)})" for name in flow.channels]
            state = "approved" if outbox.approved(flow.name, flow.version) else "not approved"
            say(f"{flow.name}: {flow.title}")
            say(
                f"  {flow.purpose}, by {' or '.join(ways)}, until {flow.ends}, "
                f"{flow.holdout:.0%} held out; version {flow.version}, {state}"
            )
            if counts := outbox.counts(flow.name):
                say("  " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))
    return 0


def _preview(options: argparse.Namespace) -> int:
    from outreach.flow import flow as named
    from outreach.planning import plan
    from outreach.rules import check, today_of
    from outreach.sample import example, of_a_person

    with _opened() as (home, settings, demo, contacts, outbox):
        flow = named(home, options.flow)
        check(flow, settings, today_of(home))
        made = plan(home, flow, settings, contacts, outbox, demo=demo)
        _funnel(made)
        if options.people:
            audit.record(home, audit.operator(), audit.PEOPLE_SEEN, f"preview of {flow.name}")
        said = of_a_person(made, settings) if options.people else example(flow, settings)
        for channel, (subject, text) in said.items():
            say(f"\n--- {channel}{': ' + subject if subject else ''}\n{text}")
    return 0


def _approve(options: argparse.Namespace) -> int:
    from outreach.approval import approve
    from outreach.flow import flow as named
    from outreach.rules import not_yet, today_of

    with _opened() as (home, settings, _demo, _contacts, outbox):
        flow = named(home, options.flow)
        # Whoever can run commands on the home folder is its administrator.
        reader = Reader(audit.operator(), frozenset({"admin"}))
        approve(home, reader, flow, settings, outbox, today_of(home))
        say(f"Version {flow.version} of {flow.name} is approved until its file changes.")
        if soon := not_yet(flow, today_of(home)):
            say(soon)
    return 0


def _withdraw(options: argparse.Namespace) -> int:
    from outreach.approval import withdraw

    with _opened() as (home, _settings, _demo, _contacts, outbox):
        # Also of a flow whose file is gone.
        reader = Reader(audit.operator(), frozenset({"admin"}))
        waited = withdraw(home, reader, options.flow, outbox)
        say(
            f"{options.flow} writes to nobody until it is approved again; {waited:,} messages "
            "that waited were not sent."
        )
    return 0


def _send(options: argparse.Namespace) -> int:
    from outreach.flow import flow as named
    from outreach.planning import keep, plan
    from outreach.rules import check, not_yet, today_of
    from outreach.sending import send

    with _opened() as (home, settings, demo, contacts, outbox):
        flow = named(home, options.flow)
        check(flow, settings, today_of(home))
        made = plan(home, flow, settings, contacts, outbox, demo=demo)
        _funnel(made)
        if not options.live:
            say("Nothing was sent: this was a dry run. Add --live to send.")
            return 0
        if not outbox.approved(flow.name, flow.version):
            raise BadInput(
                f"This version of {flow.name} ({flow.version}) is not approved. Look at it with "
                f"`caretrace outreach preview {flow.name}`, then approve it."
            )
        if soon := not_yet(flow, today_of(home)):
            raise BadInput(soon)
        audit.record(
            home, audit.operator(), audit.OUTREACH_SENT, f"flow {flow.name}",
            version=flow.version, planned=made.planned,
        )  # fmt: skip
        keep(made, outbox, home)
        result = send(home, flow, settings, contacts, outbox, demo=demo)
        say(f"In the outbox of {flow.name} by now:")
        for state, count in sorted(result.states.items()):
            say(f"{count:,} {state}")
        for state, reason, count in outbox.reasons(flow.name):
            say(f"  {state}: {count:,} {reason}")
        if result.heard:
            say(f"{result.heard:,} refusals or bounces were new to us and are honoured.")
        _say_taken(result.taken)
        if result.quiet:
            say(f"{result.quiet:,} wait until it is no longer quiet where they live.")
        if result.unwritten:
            note(
                f"{result.unwritten:,} could not be written: a template says what their place or "
                "doctor has not, or came to more than sms_length. Mend the settings or the "
                "template, then send again."
            )
        if result.settled.open:
            say(
                f"{result.settled.open:,} are in doubt: the sender ended while they left, and "
                "nothing shows yet whether they went. Send again later; or look there yourself, "
                f"then say `caretrace outreach settle {flow.name} --as sent` (or unsent)."
            )
        if result.stopped:
            note(result.stopped)
        undone = result.settled.open or result.taken.left or result.unwritten
        return 1 if result.stopped or undone else 0


def _listen(_options: argparse.Namespace) -> int:
    from outreach.audience import Published
    from outreach.hearing import Ear
    from outreach.opening import in_use, only_here
    from outreach.taking_back import take_back

    with _opened() as (home, settings, demo, contacts, outbox):
        for name in in_use(settings) if demo else ():
            only_here(settings, name)
        new = Ear(home, settings, outbox).listen()
        say(f"{new:,} refusals or bounces are new and are honoured from now on.")
        with Published(home) as ask:
            taken = take_back(home, settings, contacts, outbox, ask.driver())
        _say_taken(taken)
    return 1 if taken.left else 0


def _settle(options: argparse.Namespace) -> int:
    from outreach.doubts import decide

    with _opened() as (home, _settings, _demo, _contacts, outbox):
        audit.record(
            home, audit.operator(), audit.OUTREACH_SETTLED, f"flow {options.flow}",
            fate=options.fate,
        )  # fmt: skip
        done = decide(options.flow, outbox, gone=options.fate == "sent")
        say(f"{done:,} messages are settled as {options.fate}.")
    return 0


def _stop(options: argparse.Namespace) -> int:
    from outreach.stopping import stop

    from_stdin = str(options.addresses) == "-"
    try:
        content = sys.stdin.buffer.read() if from_stdin else options.addresses.read_bytes()
        lines = content.decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput(
            f"{'What was given' if from_stdin else options.addresses} is no text in UTF-8, so "
            "nobody was stopped. Save it as UTF-8, then say it again."
        ) from None
    with _opened() as (home, _settings, _demo, _contacts, outbox):
        done, unread = stop(home, configuration.load(home), outbox, lines.splitlines())
        audit.record(home, audit.operator(), audit.OUTREACH_STOPPED, "addresses", stopped=done)
        say(f"{done:,} addresses will not be written to again, by any flow.")
        if unread:
            note(f"{unread:,} lines are no e-mail or phone and were left out.")
    return 1 if unread else 0


def _results(options: argparse.Namespace) -> int:
    from outreach.results import results

    with _opened() as (home, _settings, _demo, _contacts, outbox):
        for sentence in results(home, options.flow, outbox, options.outcome, level=options.level):
            say(sentence)
    return 0


def _size(options: argparse.Namespace) -> int:
    from attribution.models.person_holdout import people_needed

    needed = people_needed(
        options.base, options.lift, options.holdout, power=options.power, level=options.level
    )
    say(
        f"{needed:,} people, of whom {round(needed * options.holdout):,} are held out, find a "
        f"lift of {options.lift:.1%} over {options.base:.1%} with a power of {options.power:.0%}."
    )
    return 0


def _funnel(made: Any) -> None:
    from outreach.planning import REASONS

    by = ", ".join(f"{count:,} by {name}" for name, count in sorted(made.channels.items()))
    say(f"{made.audience:,} in the audience, {made.planned:,} would be written to ({by or '-'}).")
    for reason, count in sorted(made.dropped.items(), key=lambda each: -each[1]):
        say(f"  {count:,} not: {REASONS[reason]}")
    for sentence in made.notes:
        note(sentence)


def _say_taken(taken: Any) -> None:
    if taken.back:
        say(f"{taken.back:,} who refuse by now were taken off lists, campaigns and tasks again.")
    if taken.left:
        note(f"{taken.left:,} who refuse by now are still there. {taken.why}")
