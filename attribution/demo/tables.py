"""The contract rows of a simulated health system, as frames with the contract's column names.

Instants are wall-clock times of `market.TIMEZONE`; money is in dollars.
"""

import pandas as pd

from attribution.demo import ads, calls, claims, crm, education_messages, emr, opinions, web
from attribution.demo.worlds import World


def tables_of(world: World) -> dict[str, pd.DataFrame]:
    """One frame for each kind of contract row; the world must be of all its people."""
    touches = web.touchpoints(world)
    claimed = claims.claimed_conversions(world)
    taught, opened = education_messages.messages(world)
    return {
        "ad_spend": ads.ad_spend(world, claimed),
        "claimed_conversions": claimed,
        "web_sessions": web.web_sessions(world, touches),
        "touchpoint": touches,
        "contact": crm.contacts(world),
        "deal": crm.deals(world),
        "person": emr.persons(world),
        "appointment": emr.appointments(world),
        "encounter": emr.encounters(world),
        "payment": emr.payments(world),
        "call": calls.calls(world),
        "message": pd.concat([crm.messages(world), taught], ignore_index=True),
        "message_event": opened,
        "preference": crm.preferences(world),
        "feedback": opinions.feedback(world),
        "reputation": opinions.reputation(world),
        "environment": emr.environment(world),
    }
