"""Settings of a source as its connector reads them, each mistake named."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from connectors.errors import SourceMisconfigured
from connectors.source import Context, Option


def settings(context: Context, options: Iterable[Option]) -> dict[str, Any]:
    """Every option's value or default; raises with all that are missing at once."""
    values: dict[str, Any] = {}
    missing: list[str] = []
    for option in options:
        value = context.options.get(option.name)
        if value is None or value == "":
            value = option.default
            if option.required and value is None:
                missing.append(option.name)
        values[option.name] = value
    if missing:
        raise SourceMisconfigured(
            f"Source '{context.name}' has no {' and no '.join(missing)}; "
            "set it in caretrace.toml, or in the environment if it is a secret."
        )
    for name in [name for name in values if name.endswith("endpoint") and values[name]]:
        values[name] = _safe_address(context.name, name, str(values[name]))
    return values


def is_safe(address: str) -> bool:
    """Whether what is sent to an address cannot be read on the way."""
    parts = urlsplit(address)
    loopback = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    return parts.scheme == "https" or (parts.scheme == "http" and loopback)


def _safe_address(source: str, name: str, address: str) -> str:
    """The address without its last slash; a token must not travel in the clear."""
    if not is_safe(address):
        raise SourceMisconfigured(
            f"The {name} of source '{source}' does not begin with https://; "
            "correct it in caretrace.toml (http:// is for this machine only)."
        )
    return address.rstrip("/")


def redacted(text: str, secrets: Iterable[object], *, most: int = 160) -> str:
    """A vendor's words on one line, cut short and without any of `secrets`."""
    text = " ".join(masked(text, secrets).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def masked(text: str, secrets: Iterable[object]) -> str:
    """The text with stars for every secret; one of a few letters only where it stands alone.

    Somebody who wrote "a" for a token would otherwise read of "lo***d" and "cont***cts".
    """
    for secret in (str(secret) for secret in secrets if secret):
        found = re.escape(secret)
        text = re.sub(found if len(secret) >= 8 else rf"(?<!\w){found}(?!\w)", "***", text)
    return text
