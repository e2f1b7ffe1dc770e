"""The weeks of the simulated market: need, exposure, inquiry, care, silence, return.

People do not touch each other, and each draw belongs to one person. So a run over some of the
people gives exactly what a run over all of them gives for those people.
"""

from collections.abc import Sequence

import numpy as np

from attribution.demo import care, exposure, winback
from attribution.demo.clock import DAY, WEEK, browse_minute, office_minute
from attribution.demo.draws import Bools, Draws, Floats, Ints, pick
from attribution.demo.exposure import STREAM, Moment, Week
from attribution.demo.folk import Folk
from attribution.demo.log import BOOKED, FULFILLED, Log
from attribution.demo.market import LEVER, Calendar, Pause, Plan

_NEED_PER_WEEK = 0.0155
# How readily a visit by each way turns into an inquiry, at full urgency.
_CONVERTS = {
    "brand": 0.36, "nonbrand": 0.42, "paid_social": 0.15, "display": 0.10, "video": 0.12,
    "directory": 0.44, "referral_web": 0.30, "organic_search": 0.20, "organic_social": 0.10,
    "email": 0.16, "referral_physician": 0.95, "direct": 0.30, "direct_mail": 0.22,
}  # fmt: skip
_RETARGETING_HELPS = 1.05
# Which ads a platform claims an inquiry for: clicks and views of the last so many weeks.
CLAIMS = (
    ("brand", 4, 0), ("nonbrand", 4, 0), ("paid_social", 1, 1), ("display", 4, 4), ("video", 4, 2),
)  # fmt: skip
CLAIMED = tuple(lever for lever, _, _ in CLAIMS)
_NEVER = -999
_PLANNED_AHEAD_WEEKS = 6


class Life:
    """One run: the state of every person, moved a week at a time."""

    def __init__(
        self,
        folk: Folk,
        plan: Plan,
        calendar: Calendar,
        off: frozenset[str],
        *,
        pauses: Sequence[Pause] = (),
        record_touches: bool = True,
    ) -> None:
        size = len(folk.ids)
        self.record_touches = record_touches
        self.folk, self.plan, self.weeks, self.off = folk, plan, calendar.weeks, off
        self.knobs, self.pauses = folk.knobs, pauses
        self.campaigns = winback.campaigns(calendar)
        self.log = Log()
        self.line = np.full(size, -1)  # of the need they have now, or -1
        self.level = np.zeros(size)
        self.start = np.zeros(size, dtype=np.int64)
        self.ends = np.zeros(size, dtype=np.int64)
        self.hazard = np.zeros(size)
        self.limit = np.ones(size)
        self.awareness = 0.25 * folk.draws.uniform(13)
        self.visited = np.full(size, _NEVER)
        self.known = np.zeros(size, dtype=bool)
        self.patient = folk.patient.copy()
        self.last_kept = np.where(folk.patient, -folk.silent_weeks, 9999.0)
        self.care_line = folk.line.copy()
        self.number = np.zeros(size, dtype=np.int64)  # of their next visit
        self.due = np.full(size, -1)
        self.back_hazard = np.zeros(size)
        self.back_limit = folk.draws.exponential(14, 0)
        self.assigned = np.full(size, _NEVER)
        self.boost = np.zeros(size)
        self.boost_from = np.full(size, _NEVER)
        self.clicked = {lever: np.full(size, _NEVER) for lever in CLAIMED}
        self.viewed = {lever: np.full(size, _NEVER) for lever in CLAIMED}
        self._plan_visits_of_old_patients()

    def run(self) -> Log:
        """Live all weeks and return what happened."""
        for week in range(self.weeks):
            self._needs(week)
            reached = self._reach(week)
            self._inquire(week, reached)
            self._routine(week)
            self._win_back(week)
            self._come_back(week)
        for week in range(self.weeks, self.weeks + _PLANNED_AHEAD_WEEKS):
            self._routine(week)  # booked before the last day, for after it
        return self.log

    def _plan_visits_of_old_patients(self) -> None:
        """Old patients with a next visit come at any time in their usual interval."""
        active = np.flatnonzero(self.folk.patient & ~self.folk.lapsed)
        number = np.full(len(active), -1)
        first = np.zeros(len(active), dtype=np.int64)
        next_due = care.next_week(self.folk, active, number, first, self.care_line[active], first)
        ahead = next_due - self.folk.silent_weeks[active].astype(np.int64)
        # Who would have come before the first day came then, and is somewhere before the next one.
        passed = self.folk.draws.uniform(39, 0, active) * next_due
        self.due[active] = np.where(
            next_due < 0, -1, np.where(ahead >= 1, ahead, 1 + passed.astype(np.int64))
        )

    def _needs(self, week: int) -> None:
        folk, season = self.folk, self.plan.season[week]
        over = (self.line >= 0) & (self.ends < week)
        self.line[over] = -1
        self.level[over] = 0.0
        self.level *= 0.93
        halo = -np.expm1(-self.awareness)
        rate = _NEED_PER_WEEK * folk.need * season.mean() * (1 + 0.22 * halo)
        new = np.flatnonzero((self.line < 0) & (folk.draws.uniform(15, week) < rate))
        leaning = folk.draws.uniform(17, week, new) < 0.55
        shares = np.array([0.19, 0.20, 0.26, 0.35]) * season
        self.line[new] = np.where(
            leaning, folk.line[new], pick(folk.draws.uniform(16, week, new), shares)
        )
        self.level[new] = 0.35 + 0.65 * folk.draws.uniform(18, week, new)
        self.start[new] = week
        self.ends[new] = week + 3 + (8 * folk.draws.uniform(19, week, new)).astype(np.int64)
        self.hazard[new] = 0.0
        self.limit[new] = folk.draws.exponential(30, week, new)

    def _reach(self, week: int) -> Week:
        """Expose people to what is on, and let those who want visit the site."""
        halo = -np.expm1(-self.awareness)
        now = Moment(week, self.level, self.patient, self.known, self.visited, halo)
        reached = Week()
        off = self.off | {p.lever for p in self.pauses if p.first <= week <= p.last}
        exposure.impressions(self.folk, self.plan, now, off, reached)
        exposure.clicks(self.folk, now, off, reached)
        exposure.searches(self.folk, self.plan, now, off, reached)
        exposure.other_visits(self.folk, self.plan, now, off, reached)
        gained = exposure.awareness_gained(self.folk, reached)
        self.awareness = exposure.AWARENESS_KEPT * self.awareness + gained
        line = np.where(self.line >= 0, self.line, self.folk.line)
        for lever, at in reached.seen.items():
            if lever in self.viewed:
                self.viewed[lever][at] = week
            if lever in ("display", "email", "direct_mail"):
                self._touch(at, week, -1 - LEVER[lever], line)
        for lever, at in reached.visits.items():
            self.visited[at] = week
            if lever in self.clicked:
                self.clicked[lever][at] = week
            self._touch(at, week, LEVER[lever], line)
        return reached

    def _touch(self, at: Ints, week: int, lever: int, line: Ints) -> None:
        if self.record_touches:
            self.log.touches.add(self.folk.ids[at], week, lever, line[at])

    def _inquire(self, week: int, reached: Week) -> None:
        """Visits of people in need add up until they ask for an appointment."""
        rate, effect = np.zeros(len(self.level)), self.knobs.effect
        for lever, at in reached.visits.items():
            rate[at] += _CONVERTS[lever] * effect(lever)
        keener = _CONVERTS["brand"] - _CONVERTS["organic_search"]
        rate[reached.brand_organic] += keener * effect("organic_search")
        halo = -np.expm1(-self.awareness)
        rate *= 1 + 0.30 * halo
        if "display" in reached.seen:
            rate[reached.seen["display"]] *= _RETARGETING_HELPS ** effect("display")
        for lever, adds in (("direct_mail", 0.06), ("offline_media", 0.012)):
            if lever in reached.seen:
                rate[reached.seen[lever]] += adds * effect(lever)
        by_itself = self.knobs.baseline  # walk in or call unprompted
        rate += by_itself * 0.012 + 0.065 * halo + by_itself * 0.03 * self.patient
        self.hazard += rate * self.level
        at = np.flatnonzero((self.line >= 0) & (self.hazard > self.limit))
        if len(at):
            self._book(week, at, *self._asked(week, at, reached))

    def _asked(self, week: int, at: Ints, reached: Week) -> tuple[Ints, Ints]:
        """When they ask, and by which way: their last visit of the week, or a call unprompted."""
        minute = np.full(len(at), -1)
        lever = np.full(len(at), -1)
        place = np.full(len(self.level), -1)
        place[at] = np.arange(len(at))
        for name, visitors in reached.visits.items():
            mine = place[visitors]
            mine = mine[mine >= 0]
            when = browse_minute(self.folk.draws, STREAM[name] + 3, week, at[mine])
            later = when > minute[mine]
            minute[mine[later]] = when[later]
            lever[mine[later]] = LEVER[name]
        called = office_minute(
            self.folk.draws.uniform(31, self.start[at], at), np.full_like(at, week)
        )
        return np.where(lever < 0, called, minute + 6), lever

    def _claims(self, week: int, at: Ints) -> Ints:
        claims = np.zeros(len(at), dtype=np.int64)
        for bit, (lever, clicks, views) in enumerate(CLAIMS):
            mine = self.clicked[lever][at] > week - clicks
            if views:
                mine |= self.viewed[lever][at] > week - views
            claims |= mine.astype(np.int64) << bit
        return claims

    def _book(self, week: int, at: Ints, minute: Ints, lever: Ints) -> None:
        """Some inquiries become an appointment; either way the need is dealt with."""
        line, start = self.line[at], self.start[at]
        booked = care.books(self.folk, at, line, start, self.level[at])
        self.log.inquiries.add(
            self.folk.ids[at], week, minute, start, lever, line,
            self.known[at].astype(np.int64), booked, self._claims(week, at),
        )  # fmt: skip
        self.known[at] = True
        self.line[at] = -1
        self.level[at] = 0.0
        yes = booked == 1
        at, line, start = at[yes], line[yes], start[yes]
        when, starts = care.booking_minutes(self.folk, at, start, minute[yes], line)
        self._visit(at, when, starts, line, 0)

    def _visit(self, at: Ints, booked: Ints, starts: Ints, line: Ints, reason: int) -> None:
        """Record appointments, and what they lead to."""
        draws, number = self.folk.draws, self.number[at]
        first = (~self.patient[at]).astype(np.int64)
        status = care.outcomes(draws, at, number, (starts - booked) / DAY, first)
        ahead = starts >= self.weeks * WEEK
        self.log.visits.add(
            self.folk.ids[at], booked, starts, np.where(ahead, BOOKED, status), line, number,
            reason, first,
        )  # fmt: skip
        self.number[at] += 1
        week = starts // WEEK
        kept = status == FULFILLED
        again = draws.uniform(32, number, at) < care.REBOOKS
        later = np.where(again, week + 2, np.where(self.patient[at], -1, self.due[at]))
        follow = care.next_week(self.folk, at, number, week, line, first)
        self.due[at] = np.where(kept, follow, later)
        seen = at[kept]
        self.patient[seen] = True
        self.last_kept[seen] = week[kept]
        self.care_line[at] = line
        self.back_hazard[at] = 0.0
        self.back_limit[at] = draws.exponential(14, number + 1, at)

    def _routine(self, week: int) -> None:
        """Planned visits: booked one to six weeks before they are due."""
        at = np.flatnonzero(self.due == week)
        self.due[at] = -1
        number = self.number[at]
        starts = office_minute(
            self.folk.draws.uniform(23, number + 5000, at), np.full_like(at, week)
        )
        ahead = (7 + 35 * self.folk.draws.uniform(33, number, at)).astype(np.int64)
        day = (starts // DAY - ahead) * DAY
        booked = day + 480 + (540 * self.folk.draws.uniform(34, number, at)).astype(np.int64)
        self._visit(at, booked, starts, self.care_line[at], 1)

    def _silent(self, week: int) -> tuple[Bools, Floats]:
        idle = self.patient & (self.due < 0) & (self.last_kept < week)
        return idle, np.where(idle, week - self.last_kept, 0.0)

    def _win_back(self, week: int) -> None:
        """Campaigns assign silent patients to a message or to the holdout."""
        for campaign in self.campaigns:
            if campaign.week != week:
                continue
            idle, silent = self._silent(week)
            consents = self.folk.takes_email if "email" in campaign.name else self.folk.takes_sms
            rested = self.assigned < week - winback.REST_WEEKS
            fits = winback.eligible(campaign, silent, idle, self.care_line, consents, rested)
            draws: Draws = self.folk.draws
            at = np.flatnonzero(fits & (draws.uniform(35, campaign.number) < 0.80))
            treated = draws.uniform(36, campaign.number, at) >= campaign.holdout
            self.assigned[at] = week
            if not {campaign.channel, campaign.name} & self.off:
                extra = campaign.extra_hazard(silent[at[treated]])
                self.boost[at[treated]] = extra * self.knobs.effect(campaign.channel)
                self.boost_from[at[treated]] = week
            self.log.messages.add(
                self.folk.ids[at], week, campaign.number, treated.astype(np.int64),
                silent[at].astype(np.int64),
            )  # fmt: skip

    def _come_back(self, week: int) -> None:
        """Silent patients return unasked, or because they were asked."""
        idle, silent = self._silent(week)
        pushed = (self.boost_from <= week) & (self.boost_from > week - winback.EFFECT_WEEKS)
        rate = winback.return_hazard(silent) + self.boost * pushed
        self.back_hazard += np.where(idle, rate, 0.0)
        at = np.flatnonzero(idle & (self.back_hazard > self.back_limit))
        number = self.number[at]
        asked = browse_minute(self.folk.draws, 37, week, at) // DAY * DAY + 720
        asked = asked + (240 * self.folk.draws.uniform(38, number, at)).astype(np.int64)
        booked, starts = care.booking_minutes(
            self.folk, at, number + 9000, asked, self.care_line[at]
        )
        self._visit(at, booked, starts, self.care_line[at], 2)
