"""What sources call channels: which channel a word means, and whether a permission in it counts.

A refusal counts for all that its word may mean, a permission only for what it surely does: who may
be called may not be texted.
"""

CHANNELS = ("email", "sms", "direct_mail", "call")
_MEANS = (
    ("text", "sms", True), ("mms", "sms", True), ("e-mail", "email", True),
    ("mail", "direct_mail", True), ("letter", "direct_mail", True), ("post", "direct_mail", True),
    ("phone", "call", True), ("voice", "call", True), ("telephone", "call", True),
    ("phone", "sms", False), ("telephone", "sms", False), ("mobile", "sms", False),
    ("mobile", "call", False),
)  # fmt: skip
_EVERY, _NONE_SAID = ("all", "any"), ""


def meanings() -> list[tuple[str, str, bool]]:
    """Words for channels, the channel, and whether a permission in this word counts as well."""
    rows = [(channel, channel, True) for channel in CHANNELS]
    rows += [(word, channel, True) for word in _EVERY for channel in CHANNELS]
    rows += [(_NONE_SAID, channel, False) for channel in CHANNELS]
    return [*rows, *_MEANS]
