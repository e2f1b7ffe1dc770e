"""What the doctor asks of the schedule: whether what is planned can be sent, and alerts told."""

from collections.abc import Iterator

from attribution.errors import CaretraceError
from attribution.paths import Home
from attribution.schedule.alerts import alerts, channel
from attribution.schedule.delivery import Mail
from attribution.schedule.known import plans_of
from attribution.schedule.plans import away, planned


def probes(home: Home) -> Iterator[tuple[str, bool, str]]:
    """Subject, whether it is fine, and a sentence, of each thing that was looked at."""
    try:
        told, whom = planned(home), alerts(home)
    except CaretraceError as error:
        yield "schedule", False, str(error)
        return
    if told.plans:
        yield "reports", True, f"{len(told.plans)} are planned in {home.config.name}."
    plans = plans_of(home, told)
    for plan in plans:
        yield from ((f"report {plan.name}", False, f"its {said}.") for said in away(home, plan))
    if any(plan.recipients or plan.owner for plan in plans) or whom.to:
        yield "reports by e-mail", *_mail(home, demo=told.demo)
    for place, url in enumerate(whom.urls, start=1):
        try:
            channel(url, place)
        except CaretraceError as error:
            yield f"alerts {place}", False, str(error)
        else:
            yield f"alerts {place}", True, "Apprise knows the address; nothing was sent to it."
    if plans and not (whom.to or whom.urls or all(plan.owner for plan in plans)):
        sentence = (
            "nobody is told when a report is held or fails: add [alerts] to = or an owner for each."
        )
        yield "alerts", False, sentence


def _mail(home: Home, *, demo: bool) -> tuple[bool, str]:
    mail = Mail(home, demo=demo)
    try:
        mail.ready()
    except CaretraceError as error:
        return False, str(error)
    finally:
        mail.close()
    return True, "the mail server takes us."
