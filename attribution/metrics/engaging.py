"""What becomes of messages: the numbers of Engagement and Education."""

from attribution.metrics.definition import Definition

_FOLDED = (
    "Where small cells are folded, a person counts once for each flow, channel and four weeks."
)
ENGAGING = (
    Definition(
        "messages_sent",
        "Messages sent",
        "Messages of flows and mailings that left, in the week in which they left.",
        f"Who is held out is sent nothing. {_FOLDED}",
        "count",
        "neither",
    ),
    Definition(
        "messages_delivered",
        "Delivered",
        "Messages that arrived: told so by the carrier, or answered. Until the carrier of a flow's "
        "channel first tells, those that were sent and did not bounce.",
        "",
        "count",
    ),
    Definition(
        "delivery_rate",
        "Delivery rate",
        "Share of messages sent that arrived.",
        "Delivered ÷ sent.",
        "rate",
    ),
    Definition(
        "message_responses",
        "Responses",
        "Messages that a person opened, clicked or replied to.",
        "A text message has no openings: its responses are clicks and replies. "
        "What only a program opened is none.",
        "count",
    ),
    Definition(
        "response_rate",
        "Response rate",
        "Share of delivered messages that a person opened, clicked or replied to.",
        "Responses ÷ delivered.",
        "rate",
    ),
    Definition(
        "message_opens",
        "Opens",
        "Messages that a person opened, as far as the sender could tell.",
        "Without openings by programs. A source that does not tell them apart counts them here.",
        "count",
    ),
    Definition(
        "machine_opens",
        "Machine opens",
        "Messages whose pictures a mail program or scanner fetched, and of which nothing shows "
        "that a person looked at them.",
        "Mail privacy fetches every picture in advance: these messages may have been read or not.",
        "count",
        "neither",
    ),
    Definition(
        "machine_open_rate",
        "Machine opens",
        "Share of delivered e-mails of which only a program's opening is known.",
        "Machine opens ÷ delivered e-mails. Their readers cannot be counted, so "
        "openings are too few by up to this share.",
        "rate",
        "neither",
    ),
    Definition("message_clicks", "Clicks", "Messages with a click of a person.", "", "count"),
    Definition("message_replies", "Replies", "Messages that a person wrote back to.", "", "count"),
    Definition(
        "opt_outs",
        "Opt-outs",
        "Messages after which their reader unsubscribed, answered STOP or complained.",
        "",
        "count",
        "down",
    ),
    Definition(
        "opt_out_rate",
        "Opt-out rate",
        "Share of delivered messages after which their reader wanted no more.",
        "Opt-outs ÷ delivered.",
        "rate",
        "down",
    ),
    Definition(
        "message_people",
        "People",
        "Different people to whom a message was sent.",
        "Within one flow, channel and week.",
        "count",
    ),
    Definition(
        "messages_had",
        "Messages had",
        "How many messages of all flows and channels a person had in so many days, this one "
        "included.",
        "",
        "text",
        "neither",
    ),
    Definition(
        "flow_people",
        "People",
        "People whom a flow meant for the first time at least 90 days ago.",
        "Each in the arm that they were assigned to first; from the flow's first holdout on, and "
        "the first visit that is known.",
        "count",
        "neither",
    ),
    Definition(
        "flow_reached",
        "Reached",
        "Of these people, those to whom a message of the flow was delivered.",
        "",
        "count",
    ),
    Definition(
        "flow_responded",
        "Responded",
        "Of these people, those who opened, clicked or replied.",
        "",
        "count",
    ),
    Definition(
        "flow_booked",
        "Booked within 90 days",
        "Share of these people who booked a visit within 90 days after the flow first meant them.",
        "Booked ÷ people. Without a holdout nobody can say who would have come anyway.",
        "rate",
    ),
    Definition(
        "flow_returned",
        "Kept a visit within 90 days",
        "Share of these people who kept a visit within 90 days after the flow first meant them.",
        "Kept ÷ people. Without a holdout nobody can say who would have come anyway.",
        "rate",
    ),
    Definition(
        "flow_lift",
        "Lift in kept visits",
        "Share of people with a kept visit in 90 days, of those written to less those held out.",
        "Everybody counts in their arm, reached or not, from the flow's first holdout on; visits "
        "of the year before are taken out (CUPED). 90% interval, for one look on a day chosen "
        "before.",
        "points",
    ),
    Definition(
        "flow_waiting",
        "Waiting",
        "People whose 90 days are not over, and who are not counted yet.",
        "",
        "count",
        "neither",
    ),
)
