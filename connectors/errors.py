"""What can go wrong with a source, each in one sentence to a person.

SourceError
├── SourceMisconfigured   a setting is missing or cannot be right
├── SourceRefused         the source said no: wrong, expired or powerless credentials
├── SourceBusy            quota used up or throttled for longer than we wait
├── SourceUnreachable     no answer, a broken answer, or none in time
└── SourceChanged         an answer that does not have the agreed shape
"""


class SourceError(Exception):
    """A source could not be read; what it had loaded before stays as it was."""


class SourceMisconfigured(SourceError):
    """A setting of the source is missing or cannot be right."""


class SourceRefused(SourceError):
    """The source said no: trying again without a change will not help."""


class SourceBusy(SourceError):
    """The source asks to be left alone for longer than one refresh waits."""


class SourceUnreachable(SourceError):
    """The source did not answer, or not with a whole answer."""


class SourceChanged(SourceError):
    """The source answered in a shape that we do not know."""
