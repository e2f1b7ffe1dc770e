"""Access tokens of the Microsoft identity platform, from a user's consent.

A refresh token lasts 90 days and each use brings a new one; where a `token_file` is given the
newest is kept there, so that the consent need not be given again.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connectors.errors import SourceError, SourceMisconfigured, SourceRefused, SourceUnreachable
from connectors.patience import Passing, Patience
from connectors.rest import Answer, Rest

ADDRESS = "https://login.microsoftonline.com"
SCOPE = "https://ads.microsoft.com/msads.manage offline_access"
EARLY_SECONDS = 120.0  # a token is renewed so long before it is over


class _Withdrawn(SourceRefused):
    """A refresh token is of no use any more."""


class Login:
    """Brings an access token, and a fresh one when the last is over or was refused."""

    def __init__(self, source: str, chosen: Mapping[str, Any], patience: Patience) -> None:
        self._source = source
        self._chosen = chosen
        self._rest = Rest(
            source,
            "Microsoft's sign-in",
            chosen["login_endpoint"] or ADDRESS,
            patience=patience,
            grant="check client_id, client_secret and tenant.",
            secrets=(chosen["client_secret"], chosen["refresh_token"]),
            reading=self._reading,
        )
        self._token = ""
        self._until = 0.0
        self._proved = False  # whether Microsoft Advertising has accepted the token at hand
        self._newest = ""
        self._lock = threading.Lock()

    def token(self) -> str:
        """A token that is not over yet."""
        with self._lock:
            if not self._token or time.monotonic() > self._until:
                self._renew()
            return self._token

    def accepted(self) -> None:
        """Note that the token was taken."""
        self._proved = True

    def forget(self) -> bool:
        """Drop a token that was refused; whether it had been accepted before."""
        with self._lock:
            proved, self._proved = self._proved, False
            self._token = ""
            return proved

    def _renew(self) -> None:
        kept = [self._newest, self._from_file(), str(self._chosen["refresh_token"])]
        candidates = list(dict.fromkeys(token for token in kept if token))
        for place, candidate in enumerate(candidates):
            try:
                said = self._ask(candidate)
                break
            except _Withdrawn:
                # A new consent stands in the settings, while the file still has the old one.
                if place == len(candidates) - 1:
                    raise
        self._token = str(said["access_token"])
        self._until = time.monotonic() + float(said["expires_in"]) - EARLY_SECONDS
        self._proved = False
        newest = said.get("refresh_token")
        if isinstance(newest, str) and newest and newest != candidate:
            self._newest = newest
            self._to_file(newest)

    def _ask(self, refresh_token: str) -> dict[str, Any]:
        form = {
            "client_id": str(self._chosen["client_id"]),
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "scope": SCOPE,
        }
        if self._chosen["client_secret"]:
            form["client_secret"] = str(self._chosen["client_secret"])
        path = f"{self._chosen['tenant']}/oauth2/v2.0/token"
        return self._rest.ask("POST", path, form=form, read=_granted)

    def _reading(self, answer: Answer) -> SourceError | Passing | None:
        """Why a token was refused; its own words may hold the token."""
        try:
            said = answer.object()
        except ValueError:
            return None
        error = said.get("error")
        if error in ("invalid_grant", "interaction_required"):
            return _Withdrawn(
                f"Microsoft refused the refresh_token of source '{self._source}' ({error}): it is "
                "older than 90 days, the password was changed or the consent withdrawn. Give the "
                "consent again and set the new refresh_token."
            )
        if error in ("invalid_client", "unauthorized_client"):
            return SourceRefused(
                f"Microsoft does not know the app of source '{self._source}' ({error}); check "
                "client_id, client_secret (it may have expired) and tenant."
            )
        if error == "temporarily_unavailable":
            return Passing(SourceUnreachable("Microsoft's sign-in is not available; try later."))
        return None

    def _from_file(self) -> str:
        if not self._chosen["token_file"]:
            return ""
        try:
            return Path(self._chosen["token_file"]).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError):
            raise SourceMisconfigured(
                f"The token_file of source '{self._source}' cannot be read; check its permissions."
            ) from None

    def _to_file(self, token: str) -> None:
        """Keep the newest refresh token, for us alone and whole or not at all."""
        if not self._chosen["token_file"]:
            return
        path = Path(self._chosen["token_file"])
        partial = path.with_name(f"{path.name}.tmp")
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(token)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise SourceMisconfigured(
                f"The token_file of source '{self._source}' cannot be written; check its folder "
                "and permissions, or the consent ends in 90 days."
            ) from None


def _granted(answer: Answer) -> dict[str, Any]:
    said = answer.object()
    if not isinstance(said.get("access_token"), str) or "expires_in" not in said:
        raise json.JSONDecodeError("no token", "", 0)
    return said
