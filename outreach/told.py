"""What our own outbox did, told to the warehouse as if another system had done it.

So our messages are touches, and our holdouts calibrate the incremental model, through the same
models as everybody else's. Written anew at each refresh; identifiers are hashes already.
"""

from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import Connection

from attribution.doors import door
from attribution.errors import BadInput
from attribution.outreach_settings import Outreach, outreach_settings
from attribution.outreach_ways import HANDED_ON, SMTP, TWILIO
from attribution.paths import Home
from attribution.raw import lent
from attribution.settings import load
from outreach.flow import files, read
from outreach.outbox import Outbox

SOURCE = "caretrace_outreach"
_TEXT = pa.string()
_CAPPED = pa.schema([(name, _TEXT) for name in ("flow", "identifier", "at")])
_STOPPED = pa.schema([(name, _TEXT) for name in ("identifier", "channel", "purpose", "at")])
_SENT = pa.schema(
    [
        (name, _TEXT)
        for name in (
            *("message_id", "flow", "channel", "identifier", "address", "at", "left_at"),
            "purpose",
        )
    ]
)
_ASSIGNED = pa.schema(
    [(name, _TEXT) for name in ("flow", "channel", "identifier", "arm", "at", "purpose")]
)
# What a carrier calls a message. Of mail it was not kept once: it is made of the key, and what went
# another way at that time is known by it to nobody.
_NUMBER = (
    f"case when way in ('{SMTP}', '{TWILIO}') and receipt <> '' then receipt "
    f"when way in ('{SMTP}', '') and channel = 'email' and ?1 <> '' then key || '@' || ?1 "
    "else key end"
)


@dataclass(frozen=True, slots=True)
class Told:
    """How many rows were told, and the flows of which nothing says what they are for."""

    rows: int = 0
    unknown: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What there is to do about it; "" where all is known."""
        if not self.unknown:
            return ""
        return (
            f"Older messages of {', '.join(self.unknown)} are told as marketing: the file of such "
            "a flow is gone or cannot be used. Put it right or back, and refresh."
        )


def tell(connection: Connection, home: Home, run_id: str) -> Told:
    """Put who was assigned and what was sent into `raw_message`.

    A person has a row where a flow assigned them to an arm, with nothing sent, and one for each
    message that left. So everybody counts in their arm from that day on, also whoever was refused
    when it was to leave, or booked meanwhile: nobody asks the held out whether they would have
    been. Whom the frequency cap left out goes into `raw_capped`, and who told us to stop into
    `raw_stopped`. All of it is told, whatever its age: a lift needs both arms from their first
    day, and those who are written to again and again stay. A message has the name by which its
    carrier knows it, hashed as the source that tells of it hashes it, so that what comes from there
    is told of this row. Who was handed to a CRM has had no message yet: the CRM tells of that.
    """
    if not home.outreach.is_file():
        return Told()
    settings = outreach_settings(home)
    smtp = settings.smtp
    with Outbox(home) as outbox:
        unknown = _unknown(home, outbox)
        sent = outbox.table(
            f"select {_NUMBER}, flow, channel, owner, identifier, at, case when way in "
            f"({', '.join('?' * len(HANDED_ON))}) then null else at end, purpose "
            "from message where state = 'sent'",
            (smtp.domain if smtp else "", *HANDED_ON),
            _SENT,
        )
        # Under several numbers one person is assigned several times: the first row stands.
        assigned = outbox.table(
            "select flow, channel, owner, arm, min(assigned_at), purpose from assignment "
            "group by flow, owner",
            (),
            _ASSIGNED,
        )
        capped = outbox.table("select flow, owner, at from capped", (), _CAPPED)
        # What bounced did not refuse.
        stopped = outbox.table(
            "select distinct identifier, channel, purpose, at from stop "
            "where identifier is not null and not hard",
            (),
            _STOPPED,
        )
    sent = _hashed(sent, home, settings)
    connection.exec_driver_sql("delete from raw_message where source = ?", (SOURCE,))
    connection.exec_driver_sql("delete from raw_capped")
    connection.exec_driver_sql("delete from raw_stopped")
    with lent(connection, sent) as name:
        connection.exec_driver_sql(
            _INSERT.format(
                id="message_id", sent_at="cast(left_at as timestamptz)", arm="'treated'",
                email="case when channel = 'email' then address end",
                phone="case when channel in ('sms', 'call') then address end", table=name,
            ),
            (SOURCE, SOURCE, run_id),
        )  # fmt: skip
    with lent(connection, assigned) as name:
        connection.exec_driver_sql(
            _INSERT.format(
                id="md5(flow || ' ' || identifier)", sent_at="null", arm="arm", email="null",
                phone="null", table=name,
            ),
            (SOURCE, SOURCE, run_id),
        )  # fmt: skip
    with lent(connection, capped) as name:
        connection.exec_driver_sql(
            'insert into raw_capped (source, flow, identifier, "at") select ?, flow, identifier, '
            f'cast("at" as timestamptz) from {name}',
            (SOURCE,),
        )
    with lent(connection, stopped) as name:
        connection.exec_driver_sql(
            'insert into raw_stopped (source, identifier, channel, purpose, "at") select ?, '
            f'identifier, channel, purpose, cast("at" as timestamptz) from {name}',
            (SOURCE,),
        )
    return Told(len(sent) + len(assigned) + len(capped), unknown)


_INSERT = """
insert into raw_message (
    source, account, message_id, flow, assigned_at, channel, arm, purpose, email, phone,
    sent_at, updated_at, identifier, run_id, loaded_at
)
select
    ?, ?, {id}, flow, cast("at" as timestamptz), channel, {arm},
    case when purpose = '' then 'marketing' else purpose end, {email}, {phone},
    {sent_at}, cast("at" as timestamptz), identifier, ?, current_timestamp
from {table}
"""


def _hashed(sent: pa.Table, home: Home, settings: Outreach) -> pa.Table:
    """The messages with their names hashed as by the source that tells of such messages.

    A number means something only among those of its system, which that source's settings say.
    """
    if not len(sent):
        return sent
    whole = load(home, secrets=False)
    heard = [source for source in whole.sources if source.name in settings.listens]
    texts_of = [source for source in (*heard, *whole.sources) if source.kind == TWILIO]
    mail_of = [source for source in heard if source.kind != TWILIO]
    names = sent.column("message_id").to_pylist()
    is_text = [channel == "sms" for channel in sent.column("channel").to_pylist()]
    for texts, of in ((True, texts_of), (False, mail_of)):
        rows = [at for at, text in enumerate(is_text) if text == texts]
        hashed_as = door(home, whole, of[0] if of else None)
        hashes = hashed_as.hashes("record", [names[at] for at in rows])
        for at, name in zip(rows, hashes, strict=True):
            names[at] = name or names[at]
    return sent.set_column(0, sent.schema.field(0), pa.array(names, _TEXT))


def _unknown(home: Home, outbox: Outbox) -> tuple[str, ...]:
    """Keep what older rows are for, by the file of their flow; the flows that no file tells of.

    These were marketing at worst. One file that cannot be used says nothing of the others.
    """
    asked = outbox.without_purpose()
    if not asked:
        return ()
    paths = files(home)
    found: dict[str, str] = {}
    for name in (name for name in asked if name in paths):
        try:
            found[name] = read(home, paths[name]).purpose
        except BadInput:
            continue
    outbox.keep_purposes(found)
    return tuple(name for name in asked if name not in found)
