"""One run of the simulated health system, and what it counts up to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from attribution.demo.clock import DAY, WEEK, office_minute
from attribution.demo.draws import Bools, Floats, Ints
from attribution.demo.education import TIPS, with_tip_visits
from attribution.demo.folk import Folk, folk_of
from attribution.demo.knobs import STANDARD, Knobs
from attribution.demo.life import Life
from attribution.demo.log import FULFILLED, Columns
from attribution.demo.market import CHANNEL_OF, LEVER, LEVERS, Calendar, Pause, Plan, plan_of
from attribution.demo.money import payments
from attribution.demo.winback import Winback

FORM, TRACKED_CALL, CALL = range(3)
# Of inquiries that follow a visit: web forms, and calls whose number tells nothing.
_FORMS, _UNTRACKED = 0.62, 0.10
# As the credit settings have them by default.
_LEAD_GAP_DAYS = 30
_NEW_PATIENT_DAYS = 1095
KINDS = ("lead", "booked", "kept", "new_patient", "collected")


@dataclass(frozen=True, slots=True)
class World:
    """Everything that happened: people, budgets, and what was recorded, without any file."""

    seed: int
    calendar: Calendar
    off: frozenset[str]
    folk: Folk
    plan: Plan
    campaigns: tuple[Winback, ...]
    inquiries: Columns
    visits: Columns
    payments: Columns
    touches: Columns
    messages: Columns

    @property
    def knobs(self) -> Knobs:
        """How this world differs from the standard one."""
        return self.folk.knobs

    def totals(
        self, people: Ints | None = None, weeks: tuple[int, int] | None = None
    ) -> dict[str, float]:
        """Conversions of each kind; collected is in dollars.

        Only those of some `people`, or from the first to the last of `weeks`, where given.
        """
        first, last = weeks or (0, self.calendar.weeks - 1)

        def inside(minute: Ints) -> Bools:
            return (minute >= first * WEEK) & (minute < (last + 1) * WEEK)

        counted = self.conversions(people)
        counts = {kind: int((rows & inside(when)).sum()) for kind, (rows, when) in counted.items()}
        paid = inside(self.payments["minute"])
        if people is not None:
            paid &= np.isin(self.visits["person"][self.payments["visit"]], people)
        return counts | {"collected": int(self.payments["cents"][paid].sum()) / 100}

    def conversions(self, people: Ints | None = None) -> dict[str, tuple[Bools, Ints]]:
        """Which inquiries or visits are conversions of a kind, and when each would be."""
        visits = self.visits
        leads, among = _leads(self), np.ones(len(visits["person"]), dtype=bool)
        if people is not None:
            among = np.isin(visits["person"], people)
            leads &= np.isin(self.inquiries["person"], people)
        kept = among & (visits["status"] == FULFILLED)
        since = _since_last(visits["person"], visits["starts_at"], kept)
        return {
            "lead": (leads, self.inquiries["minute"]),
            "booked": (among, visits["booked_at"]),
            "kept": (kept, visits["starts_at"]),
            "new_patient": (kept & (since >= _NEW_PATIENT_DAYS * DAY), visits["starts_at"]),
        }


def _leads(world: World) -> Bools:
    """Inquiries that systems can know of: new contacts and web forms, a month after the last."""
    asked = world.inquiries
    known = (asked["known"] == 0) | (ways(world) == FORM)
    since = _since_last(asked["person"], asked["minute"], known)
    leads: Bools = known & (since > _LEAD_GAP_DAYS * DAY)
    return leads


def _since_last(person: Ints, minute: Ints, among: Bools) -> Floats:
    """Minutes since the same person's row before, of the rows that count; infinite for none."""
    since = np.full(len(person), np.inf)
    rows = np.flatnonzero(among)
    rows = rows[np.lexsort((minute[rows], person[rows]))]
    again = person[rows[1:]] == person[rows[:-1]]
    since[rows[1:][again]] = np.diff(minute[rows])[again]
    return since


def ways(world: World) -> Ints:
    """How each inquiry was made: a web form, a call to a tracked number, or any other call."""
    asked, folk = world.inquiries, world.folk
    at = np.searchsorted(folk.ids, asked["person"])
    drawn = folk.draws.uniform(130, asked["start"], at)
    web = (asked["lever"] >= 0) & (asked["lever"] != LEVER["referral_physician"])
    tracked = max(1 - world.knobs.lost(_UNTRACKED), _FORMS)
    calls = np.where(web & (drawn < tracked), TRACKED_CALL, CALL)
    return np.where(web & (drawn < _FORMS), FORM, calls)


def calendar_of(until: date | None, days: int) -> Calendar:
    """The weeks to simulate: whole ones, ending on the last Sunday up to `until` (yesterday)."""
    last = until if until is not None else date.today() - timedelta(days=1)  # noqa: DTZ011
    return Calendar(last - timedelta(days=(last.weekday() + 1) % 7), max(days // 7, 1))


def levers_off(off: Iterable[str]) -> frozenset[str]:
    """The levers behind channel names; `paid_search:brand` and single levers are names too."""
    names = set(off)
    known = {lever: {lever, CHANNEL_OF[lever], f"{CHANNEL_OF[lever]}:{lever}"} for lever in LEVERS}
    levers = {lever for lever in LEVERS if known[lever] & names}
    campaigns = {name for name in names if name.startswith("reactivation_") or name == TIPS}
    for name in sorted(names - campaigns - set().union(*known.values())):
        raise ValueError(f"there is no channel {name!r} to switch off")
    return frozenset(levers | campaigns)


def world(
    people: int = 60_000,
    seed: int = 7,
    off: frozenset[str] = frozenset(),
    *,
    until: date | None = None,
    days: int = 730,
    knobs: Knobs = STANDARD,
) -> World:
    """Live the whole time once, with the channels (or winback campaigns) in `off` switched off."""
    calendar = calendar_of(until, days)
    return live(folk_of(seed, np.arange(people), knobs), seed, calendar, levers_off(off))


def live(
    folk: Folk,
    seed: int,
    calendar: Calendar,
    off: frozenset[str],
    *,
    pauses: Sequence[Pause] = (),
    record_touches: bool = True,
) -> World:
    """The same for given people and levers; a pause switches a lever off for some weeks."""
    plan = plan_of(seed, calendar, folk.knobs)
    life = Life(folk, plan, calendar, off, pauses=pauses, record_touches=record_touches)
    log = life.run()
    visits = _with_history(folk, log.visits.columns(), calendar)
    if not {"outreach_email", TIPS} & off:
        visits = with_tip_visits(folk, visits, calendar)
    visits = _in_order(visits)
    return World(
        seed=seed,
        calendar=calendar,
        off=off,
        folk=folk,
        plan=plan,
        campaigns=life.campaigns,
        inquiries=log.inquiries.columns(),
        visits=visits,
        payments=payments(folk, visits, calendar.weeks * WEEK),
        touches=log.touches.columns(),
        messages=log.messages.columns(),
    )


def _with_history(folk: Folk, visits: Columns, calendar: Calendar) -> Columns:
    """Add the visits that old patients had before the first day."""
    at = np.flatnonzero(folk.patient)
    silent = folk.silent_weeks[at].astype(np.int64) + 1
    earlier = silent + 8 + (40 * folk.draws.uniform(90, 0, at)).astype(np.int64)
    parts = [visits]
    for number, ago in ((-1, silent), (-2, earlier)):
        step = np.full_like(at, number)
        starts = office_minute(folk.draws.uniform(91, step, at), -ago)
        ahead = (3 + 30 * folk.draws.uniform(92, step, at)).astype(np.int64)
        parts.append(
            {
                "person": folk.ids[at],
                "booked_at": starts - ahead * 1440,
                "starts_at": starts,
                "status": np.full_like(at, FULFILLED),
                "line": folk.line[at],
                "number": step,
                "reason": np.full_like(at, 3),
                "first": np.full_like(at, int(number == -2)),
            }
        )
    joined = {name: np.concatenate([part[name] for part in parts]) for name in visits}
    known = joined["booked_at"] < calendar.weeks * WEEK
    return {name: column[known] for name, column in joined.items()}


def _in_order(visits: Columns) -> Columns:
    order = np.lexsort((visits["number"], visits["person"], visits["starts_at"]))
    return {name: column[order] for name, column in visits.items()}
