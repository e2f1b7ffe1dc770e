"""Access tokens of a Google user who has agreed once: a refresh token is traded for short ones."""

import time
from collections.abc import Mapping
from typing import Any

from connectors.errors import SourceError, SourceRefused
from connectors.patience import Passing, Patience
from connectors.rest import Answer, Rest

# A token is not used in its last minute: a request may take that long.
MARGIN_SECONDS = 60


class Tokens:
    """The access token of now, asked for when there is none or it is about to expire."""

    def __init__(self, source: str, chosen: Mapping[str, Any], patience: Patience) -> None:
        self._source = source
        self._form = {
            "grant_type": "refresh_token",
            "client_id": str(chosen["client_id"]),
            "client_secret": str(chosen["client_secret"]),
            "refresh_token": str(chosen["refresh_token"]),
        }
        self._rest = Rest(
            source,
            "Google",
            chosen["token_endpoint"] or "https://oauth2.googleapis.com",
            patience=patience,
            grant="check client_id and client_secret.",
            secrets=(self._form["client_secret"], self._form["refresh_token"]),
            reading=self._reading,
        )
        self._token = ""
        self._until = 0.0

    def header(self) -> dict[str, str]:
        """The header that lets a request in."""
        if time.monotonic() >= self._until:
            self._token, seconds = self._rest.ask("POST", "/token", form=self._form, read=_token)
            self._until = time.monotonic() + seconds - MARGIN_SECONDS
        return {"authorization": f"Bearer {self._token}"}

    def forget(self) -> None:
        """The token was refused before its time: the next request gets another."""
        self._until = 0.0

    def _reading(self, answer: Answer) -> SourceError | Passing | None:
        if answer.status in (400, 401) and b"invalid_grant" in answer.body:
            return SourceRefused(
                f"Google no longer accepts the refresh token of source '{self._source}': it was "
                "withdrawn, or its app is still in testing (then it lasts 7 days). Sign in again "
                "and set refresh_token."
            )
        return None


def _token(answer: Answer) -> tuple[str, float]:
    said = answer.object()
    if not isinstance(said.get("access_token"), str):
        raise ValueError
    return said["access_token"], float(said.get("expires_in", 300))
