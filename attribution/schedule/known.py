"""The plans that are known: of the configuration and of the page, and those that cannot be read."""

from collections.abc import Collection, Mapping
from datetime import datetime

from attribution.paths import Home
from attribution.schedule.books import Books
from attribution.schedule.plans import Plan, Planned, plan_of

Known = dict[str, tuple[Plan, datetime, str]]


def every_plan(books: Books, planned: Planned, now: datetime) -> Known:
    """Each plan of the configuration and of the page, since when it is known, and who holds it.

    One that is due at other times than before, or is there again, is known since now.
    """
    for plan in planned.plans:
        books.note_plan(plan.name, now)
    found, before = known_plans(books, planned), books.slots()
    zone = planned.week.timezone
    due = {name: f"{plan.day} {plan.time} {zone}" for name, (plan, *_) in found.items()}
    gone = dict.fromkeys(before.keys() - due.keys() - unread_plans(books).keys(), "")
    changed = {name: slots for name, slots in (due | gone).items() if before.get(name) != slots}
    for name, slots in changed.items():
        books.note_slots(name, slots, now if name in before else None)
    return known_plans(books, planned) if changed else found


def known_plans(books: Books, planned: Planned) -> Known:
    """Those that were noted before, as `every_plan`; nothing is written."""
    mine = {plan.name: plan for plan in planned.plans}
    found = {}
    for row in books.plans():
        plan: Plan | None = mine.get(row["name"])
        if plan is None and row["told"] is not None:
            plan = plan_of(row["name"], row["told"], [])
        if plan is not None:
            found[row["name"]] = (plan, datetime.fromisoformat(row["since"]), row["held_by"])
    return found


def plans_of(home: Home, planned: Planned) -> tuple[Plan, ...]:
    """The plans of the configuration and of the page, noted or not; nothing is written."""
    mine = {plan.name: plan for plan in planned.plans}
    if home.ledger.is_file():
        with Books(home) as books:
            if books.kept():
                mine = {
                    name: plan for name, (plan, *_) in known_plans(books, planned).items()
                } | mine
    return tuple(mine.values())


def unread_plans(books: Books, names: Collection[str] = ()) -> Mapping[str, str]:
    """What is wrong with each plan of the page that cannot be read, by name.

    Somebody plans it all the same: what waits of it waits on. `names` are those of the
    configuration, which go before.
    """
    found = {}
    for row in books.plans():
        problems: list[str] = []
        if row["told"] is None or row["name"] in names:
            continue
        if plan_of(row["name"], row["told"], problems) is None:
            said = "; ".join(one.removeprefix(f"[reports.{row['name']}] ") for one in problems)
            found[row["name"]] = f"Its plan cannot be read: {said}."
    return found


def watch_plans(books: Books, planned: Planned, now: datetime) -> None:
    """Open an incident for each plan of the page that cannot be read; close the others."""
    unread = unread_plans(books, {plan.name for plan in planned.plans})
    for one in books.incidents(opened=True):
        kind, _, name = one["subject"].partition(" ")
        if kind == "plan" and name not in unread:
            books.close_incident(one["subject"], now)
    owners = {row["name"]: str((row["told"] or {}).get("owner", "")) for row in books.plans()}
    for name, wrong in unread.items():
        sentence = f"Report {name} is not sent. {wrong} Plan it again on the page Reports."
        books.open_incident(f"plan {name}", sentence, now, owners[name])


def forget_unplanned(books: Books, plans: Collection[str], now: datetime) -> None:
    """Close the incidents of reports that nobody plans any more: nothing would ever end them."""
    kept = {*plans, *unread_plans(books), *(send.name for send in books.open_sends())}
    for one in books.incidents(opened=True):
        kind, _, name = one["subject"].partition(" ")
        if kind in ("held", "failed", "folder") and name not in kept:
            books.close_incident(one["subject"], now, silent=True)
