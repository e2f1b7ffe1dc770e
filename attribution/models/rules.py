"""The credit models of the warehouse: what each touch of a journey weighs.

A weight is one SQL expression over the columns of a journey's touch (`COLUMNS`). The model's
credit is the weight over the sum of the journey's weights. A weight is kept to sixteen decimals,
so the largest of a journey should be near one.
"""

from dataclasses import dataclass

# step, steps            which touch of how many, from 1
# days_before            days from the touch to the decision
# days_apart             days from the touch to the journey's last touch
# is_direct              the touch was a direct visit
# last_non_direct_step   the last step that was not direct; the last one where all were
# lead_step              the last step up to the lead, 0 where there was none
# booked_step            the last step up to the booking, 0 where there was none
# milestone_touches      how many touches of the journey were the first, the lead's or the booking's
# channel_touches        how many touches of the journey were of its channel
COLUMNS = (
    *("step", "steps", "days_before", "days_apart", "is_direct", "last_non_direct_step"),
    *("lead_step", "booked_step", "milestone_touches", "channel_touches"),
)


@dataclass(frozen=True, slots=True)
class CreditModel:
    """A weight per touch: `weight` is SQL over `COLUMNS` and the columns of its `parameters`.

    `given` says the same as the weight where the share that is given away up to and with a step has
    a closed form: SQL with `{step}` for the step, which costs a third of adding weights up.
    Where `learned`, the weight may also read `learned_column`: what was learned of the channel of
    the touch, null where that was nothing. A model without a weight is a table of its own.
    """

    name: str
    title: str
    help: str  # one sentence, shown beside the model's name
    weight: str
    parameters: tuple[str, ...] = ()
    learned: bool = False
    given: str = ""

    def parameter_column(self, parameter: str) -> str:
        """The name by which `weight` reads a parameter."""
        return f"{self.name}_{parameter}"

    @property
    def learned_column(self) -> str:
        """The name by which `weight` reads what was learned."""
        return f"{self.name}_learned"


FIRST = CreditModel(
    "first",
    "First touch",
    "All credit to the touch that began the journey.",
    "case when step = 1 then 1 else 0 end",
    given="case when {step} >= 1 then 1 else 0 end",
)

LAST = CreditModel(
    "last",
    "Last touch",
    "All credit to the last touch before the conversion.",
    "case when step = steps then 1 else 0 end",
    given="case when {step} >= steps then 1 else 0 end",
)

LAST_NON_DIRECT = CreditModel(
    "last_non_direct",
    "Last touch, not direct",
    "All credit to the last touch that was not a direct visit, if there was one.",
    "case when step = last_non_direct_step then 1 else 0 end",
    given="case when {step} >= last_non_direct_step then 1 else 0 end",
)

LINEAR = CreditModel(
    "linear",
    "Linear",
    "The same credit to every touch of the journey.",
    "1",
    given="cast({step} as double) / steps",
)

# Of two touches both are ends and get half each; of three, 40/20/40 with `position_ends` at 0.4.
POSITION = CreditModel(
    "position",
    "Position (40/20/40)",
    "Most credit to the first and the last touch, the rest shared by those between.",
    "case"
    " when step = 1 or step = steps then position_ends"
    " else (1 - 2 * position_ends) / (steps - 2) end",
    ("ends",),
    given="case"
    " when {step} >= steps then 1"
    " when {step} = 0 then 0"
    " when steps = 2 then 0.5"
    " else position_ends + ({step} - 1) * (1 - 2 * position_ends) / (steps - 2) end",
)

# Of the touches up to a step, which were milestones; one may be two of them, or all three.
_MILESTONES = (
    "(case when {step} >= 1 then 1 else 0 end"
    " + case when lead_step between 1 and {step} then 1 else 0 end"
    " + case when booked_step between 1 and {step} then 1 else 0 end)"
)
_MILESTONE_TOUCHES = (
    "(case when {step} >= 1 then 1 else 0 end"
    " + case when lead_step between 2 and {step} then 1 else 0 end"
    " + case when booked_step between 2 and {step} and booked_step <> lead_step then 1 else 0 end)"
)
_MILESTONE = (
    f"(milestone_each * {_MILESTONES} + case when steps > milestone_touches"
    f" then (1 - 3 * milestone_each) * ({{step}} - {_MILESTONE_TOUCHES})"
    " / (steps - milestone_touches) else 0 end)"
)

# What no milestone took is shared by the touches between. A milestone that no touch was, and a
# rest that no touch is left for, is spread by the sum of the weights.
MILESTONE = CreditModel(
    "milestone",
    "Milestones (30/30/30)",
    "Most credit to the first touch, the lead's and the booking's, the rest to the others.",
    f"{_MILESTONE.format(step='step')} - {_MILESTONE.format(step='(step - 1)')}",
    ("each",),
    given=f"{_MILESTONE} / {_MILESTONE.format(step='steps')}",
)

# Measured from the last touch and not from the decision: credit is the same, and the weights of
# a journey that is all old do not vanish.
TIME_DECAY = CreditModel(
    "time_decay",
    "Time decay",
    "More credit the nearer the conversion: half as much for each week further back.",
    # Beyond sixty half-lives nothing is left of a weight of sixteen digits, and PostgreSQL refuses
    # to raise to a power that double precision cannot hold.
    "power(0.5, least(days_apart / time_decay_half_life_days, 60))",
    ("half_life_days",),
)

# Of a refund whose channels nothing else was learned of, each touch gets the same.
MARKOV = CreditModel(
    "markov",
    "Markov chain",
    "Credit by how much would be lost if a channel led to nothing, learned from all journeys.",
    "coalesce(markov_learned, 0.000001)",
    learned=True,
)

SHAPLEY_SUM = CreditModel(
    "shapley_sum",
    "Shapley value",
    "The same credit to every channel of the journey, however often it touched.",
    "1.0 / channel_touches",
)

SHAPLEY_RATE = CreditModel(
    "shapley_rate",
    "Shapley value of the rate",
    "Credit by how much a channel raises the share of journeys that convert.",
    "coalesce(shapley_rate_learned, 0.000001) / channel_touches",
    learned=True,
)

# Not a weight of touches: channels that nobody clicks bring people too, and some come anyway.
INCREMENTAL = CreditModel(
    "incremental",
    "Incremental",
    "What would not have come without the channel, by places and weeks; the rest is baseline.",
    "",
)
