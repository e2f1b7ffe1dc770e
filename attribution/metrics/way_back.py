"""The way back of silent patients: what it takes to come to each stage."""

from attribution.metrics.definition import Definition

_STAGES = (
    ("silent", "Silent", "Patients without a kept visit for 180 days."),
    (
        "recall",
        "To be called back",
        "By the lapse rules due or longer, or with care left open; or chosen by a campaign.",
    ),
    (
        "consented",
        "Consented",
        "Marketing is allowed by a channel and was not stopped, or a campaign's system chose them.",
    ),
    ("contacted", "Contacted", "A message of the campaign was sent to them."),
    ("delivered", "Delivered", "It arrived, as far as the sender was told."),
    ("responded", "Responded", "Opened, clicked or replied; or booked within 90 days."),
    ("booked", "Booked", "Booked a visit within 90 days after assignment."),
    ("kept", "Kept", "Kept a visit within 90 days after assignment."),
    ("retained", "Retained", "Kept a second one within 180 days after the first."),
)

WAY_BACK: tuple[Definition, ...] = (
    *(
        Definition(f"way_{name}", title, sentence, "", "count", "neither")
        for name, title, sentence in _STAGES
    ),
    Definition(
        "brought",
        "Brought",
        "Money that the campaign brought beyond what its holdout shows would have come anyway.",
        "Mean of those treated less that of those held out, times the treated; within 180 days, of "
        "cohorts since the first holdout.",
        "money",
    ),
)
