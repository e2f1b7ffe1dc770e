"""Approval: an administrator says that exactly this version of a flow may write, or no more."""

from datetime import date

from attribution import audit
from attribution.errors import BadInput, NotAllowed
from attribution.outreach_settings import Outreach
from attribution.paths import Home
from attribution.roles import APPROVE, Reader
from outreach.flow import Flow
from outreach.outbox import Outbox
from outreach.rules import check


def approve(
    home: Home, reader: Reader, flow: Flow, settings: Outreach, outbox: Outbox, today: date
) -> None:
    """Approve a flow's version, and write down who did; a changed file needs a new approval.

    Raises NotAllowed where the reader is no administrator, BadInput where the flow breaks a rule.
    """
    if not reader.may(APPROVE):
        raise NotAllowed("Only an administrator may approve that a flow writes to people.")
    check(flow, settings, today)
    audit.record(
        home,
        reader.name,
        audit.OUTREACH_APPROVED,
        f"flow {flow.name}",
        version=flow.version,
        purpose=flow.purpose,
        channels={channel: settings.way(flow.name, channel) for channel in flow.channels},
        holdout=flow.holdout,
        ends=flow.ends,
    )
    outbox.approve(flow.name, flow.version, reader.name)


def withdraw(home: Home, reader: Reader, flow: str, outbox: Outbox) -> int:
    """Take the approval of a flow back, and write down who did; how many messages waited.

    From then on nothing of it leaves, also where a sender is at work: what has begun to leave is
    the last. Raises NotAllowed where the reader is no administrator, BadInput where no version of
    the flow was approved.
    """
    if not reader.may(APPROVE):
        raise NotAllowed("Only an administrator may withdraw that a flow writes to people.")
    versions = outbox.approvals(flow)
    if not versions:
        raise BadInput(f"No version of {flow} is approved, so there is nothing to withdraw.")
    audit.record(home, reader.name, audit.OUTREACH_WITHDRAWN, f"flow {flow}", versions=versions)
    return outbox.withdraw(flow)
