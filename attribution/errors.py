"""What caretrace says when it cannot do what was asked.

CaretraceError              exit code 2 unless said otherwise
├── SettingsError           the configuration is missing something or says something impossible
├── StorageError            the home folder, a database or the disk cannot be used
│   └── Busy                another refresh is running (exit code 75)
├── TransformError          a SQL model is malformed, or a check found rows
├── BadInput                a file or an argument that a person gave cannot be used
└── NotAllowed              the person's role does not allow it
"""


class CaretraceError(Exception):
    """One sentence to a person: what happened, to what, and what to do next."""

    exit_code = 2


class SettingsError(CaretraceError):
    """The configuration is missing something or says something impossible."""


class StorageError(CaretraceError):
    """The home folder, a database or the disk cannot be used."""


class Busy(StorageError):
    """Another refresh is running."""

    exit_code = 75


class TransformError(CaretraceError):
    """A SQL model is malformed, or a check found rows."""


class BadInput(CaretraceError):
    """A file or an argument that a person gave cannot be used."""


class NotAllowed(CaretraceError):
    """The person's role does not allow it."""


def told(error: BaseException) -> str:
    """What may be written down of an error.

    Another's words are left out: a database quotes parameters, a client library its token.
    """
    if isinstance(error, CaretraceError):
        return str(error)
    return f"Stopped by {type(error).__name__}."
