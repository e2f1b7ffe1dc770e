"""How readers sign in: the table `[sign_in]` of the configuration.

Read without the rest of it, and anew whenever the file has changed: a role that is taken away
there ends at the next click.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attribution.errors import SettingsError
from attribution.keys import keyring
from attribution.paths import Home
from attribution.roles import ROLES, roles_of
from attribution.told_settings import documents, unknown

SECRET_VARIABLE = "CARETRACE_SIGN_IN_CLIENT_SECRET"  # noqa: S105  its name, not its value
CALLBACK = "/oauth2callback"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_LONGEST_NAME = 200
_TEXTS = ("issuer", "client_id", "address")
_KNOWN = frozenset(
    {*_TEXTS, "groups_claim", "name_claim", "idle_minutes", "absolute_hours", "roles"}
)


@dataclass(frozen=True, slots=True)
class SignIn:
    """An OpenID Connect provider, and what its groups may do here.

    `address` is what readers type, without a path. Claims may lie deeper: `realm_access.roles`.
    """

    issuer: str
    client_id: str
    address: str
    roles: Mapping[str, tuple[str, ...]]
    client_secret: str = field(repr=False)
    groups_claim: str = "groups"
    name_claim: str = "email"
    idle: timedelta = timedelta(minutes=15)
    absolute: timedelta = timedelta(hours=12)

    @property
    def secure(self) -> bool:
        """Whether readers come by TLS."""
        return self.address.startswith("https://")

    @property
    def cookie(self) -> str:
        """The name of the session's cookie; the prefix binds it to this host and to TLS."""
        return "__Host-caretrace" if self.secure else "caretrace_session"

    def name(self, claims: Mapping[str, Any]) -> str:
        """What a person is called in the audit log."""
        said = _claim(claims, self.name_claim)
        if self.name_claim == "email" and claims.get("email_verified") is False:
            said = None  # anybody's address, for all the provider knows
        name = str(said or claims.get("sub") or "")
        # It is written into terminals and logs: no line ends, no escape sequences.
        return "".join(letter for letter in name if letter.isprintable())[:_LONGEST_NAME]

    def groups(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """The groups that the provider says they are in."""
        said = _claim(claims, self.groups_claim)
        each = said if isinstance(said, list) else [] if said is None else [said]
        return tuple(str(group) for group in each)

    def roles_of(self, groups: Iterable[str]) -> frozenset[str]:
        """The roles that groups give."""
        return roles_of(groups, self.roles)


def sign_in(home: Home) -> SignIn | None:
    """How readers of a home folder sign in; None where nothing is said of it.

    Raises SettingsError with every problem at once.
    """
    try:
        changed = home.config.stat().st_mtime_ns
    except OSError:
        return None
    return _read(home, changed, os.environ.get(SECRET_VARIABLE, ""))


def cookie_secret(home: Home) -> str:
    """What Streamlit signs its own cookies with while somebody is signing in."""
    return keyring(home).of_cookies().hex()


def streamlit_secrets(home: Home, chosen: SignIn) -> dict[str, dict[str, str]]:
    """What Streamlit's login wants to know."""
    return {
        "auth": {
            "redirect_uri": f"{chosen.address}{CALLBACK}",
            "cookie_secret": cookie_secret(home),
            "client_id": chosen.client_id,
            "client_secret": chosen.client_secret,
            "server_metadata_url": f"{chosen.issuer}/.well-known/openid-configuration",
        }
    }


@lru_cache(maxsize=4)
def _read(home: Home, _changed: int, secret: str) -> SignIn | None:
    document, stored = documents(home)
    table = document.get("sign_in")
    if table is None:
        return None
    if not isinstance(table, dict):
        raise SettingsError(f"{home.config}: sign_in must be a table.")
    return _checked(
        home.config, table, secret or str(_claim(stored, "sign_in.client_secret") or "")
    )


def _checked(path: Path, table: Mapping[str, Any], secret: str) -> SignIn:
    problems = unknown(table, _KNOWN, "[sign_in] ")
    problems += [
        f"[sign_in] {name} {'must be a text in quotes' if name in table else 'is missing'}"
        for name in _TEXTS
        if not isinstance(table.get(name), str) or not table[name]
    ]
    addresses = {name: str(table.get(name, "")).rstrip("/") for name in ("issuer", "address")}
    problems += [
        f"[sign_in] {name} must begin with https:// (http:// is for this computer only)"
        for name, address in addresses.items()
        if address and not _safe(address)
    ]
    if urlsplit(addresses["address"]).path:
        problems.append("[sign_in] address must end after the host: pages have no other place")
    if not secret:
        problems.append(
            f"{SECRET_VARIABLE} is missing: the secret of client_id; set it in the "
            "environment, or client_secret under [sign_in] in secrets.toml"
        )
    roles, wrong = _roles(table.get("roles"))
    problems += wrong
    spans = {}
    for name, usual, most in (("idle_minutes", 15, 720), ("absolute_hours", 12, 168)):
        value = table.get(name, usual)
        if type(value) is not int or not 1 <= value <= most:
            problems.append(f"[sign_in] {name} must be a whole number from 1 to {most}")
            value = usual
        spans[name] = value
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise SettingsError(f"{path} needs attention:\n{lines}")
    return SignIn(
        issuer=addresses["issuer"],
        client_id=str(table["client_id"]),
        address=addresses["address"],
        roles=roles,
        client_secret=secret,
        groups_claim=str(table.get("groups_claim", "groups")),
        name_claim=str(table.get("name_claim", "email")),
        idle=timedelta(minutes=spans["idle_minutes"]),
        absolute=timedelta(hours=spans["absolute_hours"]),
    )


def _roles(table: object) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The groups of each role, and what is wrong with them."""
    given = table if isinstance(table, dict) else {}
    wrong = [
        f"[sign_in.roles] {role} is no role: there are {', '.join(ROLES)}"
        for role in sorted(given.keys() - ROLES.keys())
    ]
    wrong += [
        f"[sign_in.roles] {role} must be a list of groups in quotes"
        for role, groups in given.items()
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups)
    ]
    if not given:
        wrong.append("[sign_in.roles] is missing: which groups have which role")
    return ({} if wrong else {role: tuple(groups) for role, groups in given.items()}), wrong


def _safe(address: str) -> bool:
    parts = urlsplit(address)
    here = parts.scheme == "http" and parts.hostname in LOOPBACK
    return bool(parts.hostname) and (parts.scheme == "https" or here)


def _claim(claims: Any, path: str) -> Any:
    for name in path.split("."):
        claims = claims.get(name) if isinstance(claims, Mapping) else None
    return claims
