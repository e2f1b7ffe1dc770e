"""What our own outbox did, told to the warehouse as if another system had done it.

So our messages are touches, and our holdouts calibrate the incremental model, through the same
models as everybody else's. Written anew at each refresh; identifiers are hashes already.
"""

import pyarrow as pa
from sqlalchemy import Connection

from attribution.errors import BadInput
from attribution.outreach_settings import outreach_settings
from attribution.outreach_ways import HANDED_ON, SMTP, TWILIO
from attribution.paths import Home
from attribution.raw import lent
from outreach.flow import flows
from outreach.outbox import Outbox

SOURCE = "caretrace_outreach"
_TEXT = pa.string()
_CAPPED = pa.schema([(name, _TEXT) for name in ("flow", "identifier", "at")])
_SENT = pa.schema(
    [
        (name, _TEXT)
        for name in ("message_id", "flow", "channel", "identifier", "address", "at", "left_at")
    ]
)
_ASSIGNED = pa.schema([(name, _TEXT) for name in ("flow", "channel", "identifier", "arm", "at")])
# What a carrier calls a message. Of mail it was not kept once: it is made of the key, and what went
# another way at that time is known by it to nobody.
_NUMBER = (
    f"case when way in ('{SMTP}', '{TWILIO}') and receipt <> '' then receipt "
    f"when way in ('{SMTP}', '') and channel = 'email' and ?1 <> '' then key || '@' || ?1 "
    "else key end"
)


def tell(connection: Connection, home: Home, run_id: str) -> int:
    """Put who was assigned and what was sent into `raw_message`; how many rows that are.

    A person has a row where a flow assigned them to an arm, with nothing sent, and one for each
    message that left. So everybody counts in their arm from that day on, also whoever was refused
    when it was to leave, or booked meanwhile: nobody asks the held out whether they would have
    been. Whom the frequency cap left out goes into `raw_capped`. All of it is told, whatever its
    age: a lift needs both arms from their first day, and those who are written to again and again
    stay. A message has the name by which its carrier knows it, so that what a source tells of it
    is told of this row. Who was handed to a CRM has had no message yet: the CRM tells of that.
    """
    if not home.outreach.is_file():
        return 0
    smtp = outreach_settings(home).smtp
    with Outbox(home) as outbox:
        sent = outbox.table(
            f"select {_NUMBER}, flow, channel, owner, identifier, at, case when way in "
            f"({', '.join('?' * len(HANDED_ON))}) then null else at end "
            "from message where state = 'sent'",
            (smtp.domain if smtp else "", *HANDED_ON),
            _SENT,
        )
        # Under several numbers one person is assigned several times: the first row stands.
        assigned = outbox.table(
            "select flow, channel, owner, arm, min(assigned_at) from assignment "
            "group by flow, owner",
            (),
            _ASSIGNED,
        )
        capped = outbox.table("select flow, owner, at from capped", (), _CAPPED)
    connection.exec_driver_sql("delete from raw_message where source = ?", (SOURCE,))
    connection.exec_driver_sql("delete from raw_capped")
    with lent(connection, sent) as name:
        connection.exec_driver_sql(
            _INSERT.format(
                id="message_id", sent_at="cast(left_at as timestamptz)", arm="'treated'",
                email="case when channel = 'email' then address end",
                phone="case when channel in ('sms', 'call') then address end", table=name,
                purpose=_purposes(home),
            ),
            (SOURCE, SOURCE, run_id),
        )  # fmt: skip
    with lent(connection, assigned) as name:
        connection.exec_driver_sql(
            _INSERT.format(
                id="md5(flow || ' ' || identifier)", sent_at="null", arm="arm", email="null",
                phone="null", table=name, purpose=_purposes(home),
            ),
            (SOURCE, SOURCE, run_id),
        )  # fmt: skip
    with lent(connection, capped) as name:
        connection.exec_driver_sql(
            'insert into raw_capped (source, flow, identifier, "at") select ?, flow, identifier, '
            f'cast("at" as timestamptz) from {name}',
            (SOURCE,),
        )
    return len(sent) + len(assigned) + len(capped)


_INSERT = """
insert into raw_message (
    source, account, message_id, flow, assigned_at, channel, arm, purpose, email, phone,
    sent_at, updated_at, identifier, run_id, loaded_at
)
select
    ?, ?, {id}, flow, cast("at" as timestamptz), channel, {arm}, {purpose}, {email}, {phone},
    {sent_at}, cast("at" as timestamptz), identifier, ?, current_timestamp
from {table}
"""


def _purposes(home: Home) -> str:
    """SQL for the purpose of a row's flow; a flow whose file is gone was marketing at worst."""
    try:
        known = flows(home)
    except BadInput:
        known = {}
    cases = " ".join(f"when '{name}' then '{each.purpose}'" for name, each in known.items())
    return f"case flow {cases} else 'marketing' end" if cases else "'marketing'"
