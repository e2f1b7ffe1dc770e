"""By which name a server answers: its own alone, to requests from its own pages."""

import logging
import re
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from attribution.errors import SettingsError
from attribution.paths import Home
from attribution.sign_in import LOOPBACK, SignIn, sign_in

LOG = logging.getLogger("caretrace")


class Named:
    """Answers under its own name alone: as localhost, or where readers sign in, at their address.

    The name in the request is checked as well as the address we listen on: a web page elsewhere
    can make its own name point here, and would then be let in by its reader's browser.
    """

    def __init__(self, app: ASGIApp, home: Home) -> None:
        self._app = app
        self._home = home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            chosen = sign_in(self._home)
        except SettingsError as error:
            # Who may read cannot be known, so nobody does; the sentence is for the operator.
            LOG.error("configuration: %s", error)
            await _refuse("The configuration of this server cannot be read.", 503)(
                scope, receive, send
            )
            return
        if self._is_ours(HTTPConnection(scope), chosen):
            await self._app(scope, receive, send)
        else:
            name = f"at {chosen.address}" if chosen else "on this computer only, as localhost"
            await _refuse(f"This server answers {name}.", 421)(scope, receive, send)

    @staticmethod
    def _is_ours(asked: HTTPConnection, chosen: SignIn | None) -> bool:
        return from_here(asked) if chosen is None else from_readers(asked, chosen.address)


def _refuse(words: str, status: int) -> ASGIApp:
    """An answer that shows nothing: the words, or a socket that closes."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4403})
        else:
            await PlainTextResponse(words, status_code=status)(scope, receive, send)

    return answer


def from_here(asked: HTTPConnection) -> bool:
    """Whether a request names this computer, and comes from a page of this server if from any."""
    if _name(asked.headers.get("host", "")) not in LOOPBACK:
        return False
    origin = asked.headers.get("origin")
    if origin is None:
        return True
    # Another program's page on this computer is another origin: the port counts as well.
    return origin.partition("://")[2].lower() == asked.headers["host"].lower()


def from_readers(asked: HTTPConnection, address: str) -> bool:
    """Whether a request names the address that readers type, and comes from it if from a page."""
    origin = asked.headers.get("origin")
    return asked.headers.get("host", "").lower() == urlsplit(address).netloc.lower() and (
        origin is None or origin.lower() == address.lower()
    )


def _name(host: str) -> str:
    bracketed = re.fullmatch(r"\[([0-9a-f:]+)\](?::\d+)?", host.lower())
    if bracketed:
        return bracketed[1]
    return host.lower().rpartition(":")[0] if ":" in host else host.lower()
