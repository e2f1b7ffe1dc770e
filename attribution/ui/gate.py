"""The gate: whoever has not signed in gets the sign-in and nothing else, whatever they ask for.

It stands before Streamlit, so it covers pages, websockets, downloads and the interface's own files.
The provider is asked by Streamlit's own login; what that login would leave in the browser (claims
in a cookie of thirty days) is kept back, and a session of ours begins instead: a random id in the
cookie, its hash in the ledger.
"""

import asyncio
import json
import logging
import re
import time
from collections.abc import Iterable, Mapping
from html import escape
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.auth_util import get_cookie_with_chunks
from streamlit.user_info import generate_login_redirect_url
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from attribution import audit
from attribution.errors import CaretraceError, StorageError
from attribution.paths import Home
from attribution.roles import EXPORT, SEE, Reader
from attribution.sessions import KEPT, Session, sessions
from attribution.sign_in import CALLBACK, SignIn, sign_in
from attribution.ui.left_open import OVER, emptied

LOG = logging.getLogger("caretrace")
FIRST_PAGE = "/overview"
SIGN_IN = "/sign-in"
SIGN_OUT = "/auth/logout"  # where `st.logout` leads; Streamlit's own knows no session of ours
NEXT_COOKIE = "caretrace_next"
_OPEN = frozenset({"/healthz", SIGN_IN, "/auth/login", CALLBACK})
# What an open page asks for whose connection was lost, by sleep or a restart of the server.
_AGAIN = frozenset({"/_stcore/health", "/_stcore/host-config", "/_stcore/stream"})
_NEXT_SECONDS = 600
_NEXT_LENGTH = 2000  # a browser drops a cookie of more than 4096 bytes
_FILES = "/media/"  # reports that were taken away, and nothing else
# A page asks for dozens of files at once; scripts look at the session itself at each rerun.
_FRESH_SECONDS = 2.0
_MOST_SEEN = 1000
_WORDMARK = (Path(__file__).parent / "wordmark.svg").read_text(encoding="utf-8")
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sign in · caretrace</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; display: grid; place-items: center;
  min-height: 100vh; margin: 0; background: light-dark(#f6f8fa, #0f141b);
  color: light-dark(#1b2430, #e6ebf2); }}
main {{ box-sizing: border-box; width: min(24rem, 100vw - 2rem); padding: 2rem; border-radius: 12px;
  background: light-dark(#fff, #161d27); border: 1px solid light-dark(#d9dfe6, #2b3543); }}
svg {{ height: 32px; width: auto; }}
h1 {{ font-size: 1.25rem; margin: 1.25rem 0 .5rem; }}
p {{ margin: .5rem 0 1.25rem; color: light-dark(#55606e, #a3adba); }}
a {{ display: block; text-align: center; padding: .6rem 1rem; border-radius: 8px;
  background: #2f67d8; color: #fff; text-decoration: none; font-weight: 600; }}
a:focus-visible {{ outline: 3px solid light-dark(#0d2f7a, #bcd2ff); outline-offset: 2px; }}
</style></head><body><main>{mark}<h1>{title}</h1><p>{words}</p>{link}</main></body></html>
"""


_NOBODY = Reader("", frozenset())


class Gate:
    """Lets those through who have a session."""

    def __init__(self, app: ASGIApp, home: Home) -> None:
        self._app = app
        self._home = home
        self._seen: dict[str, tuple[float, Session]] = {}
        self._closed = sign_in(home) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        chosen = sign_in(self._home)
        # A configuration that is gone, or being replaced, must not open what it closed.
        self._closed = self._closed or chosen is not None
        if chosen is None and not self._closed:
            await self._app(scope, receive, send)
            return
        try:
            if chosen is None:
                raise StorageError("the table [sign_in] is gone; start the server again without it")
            if scope["type"] == "websocket":
                await self._socket(chosen, scope, receive, send)
            else:
                await self._request(
                    chosen, scope, receive, _secured(send) if chosen.secure else send
                )
        except CaretraceError as error:
            LOG.error("sign-in: %s", error)
            await _closed(scope, receive, send)

    async def _socket(self, chosen: SignIn, scope: Scope, receive: Receive, send: Send) -> None:
        asked = HTTPConnection(scope)
        if (await self._reader(chosen, asked)).may(SEE):
            await self._app(scope, receive, send)
        elif await self._left_open(chosen, asked):
            await emptied(self._app, scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": OVER})

    async def _request(self, chosen: SignIn, scope: Scope, receive: Receive, send: Send) -> None:
        path, asked = scope["path"], Request(scope)
        if path == CALLBACK:
            await self._signed_in(chosen, scope, receive, send)
            return
        if path == SIGN_OUT:
            answer = await asyncio.to_thread(self._signed_out, chosen, asked)
        elif path in _OPEN:
            await self._app(scope, receive, send)
            return
        elif not (reader := await self._reader(chosen, asked)).may(SEE):
            if await self._left_open(chosen, asked):
                await self._app(scope, receive, send)
                return
            answer = _refusal(asked)
        elif path.startswith(_FILES) and not reader.may(EXPORT):
            answer = PlainTextResponse("Not for your role.", status_code=403)
        else:
            await self._app(scope, receive, send)
            return
        await answer(scope, receive, send)

    async def _reader(self, chosen: SignIn, asked: HTTPConnection) -> Reader:
        """Who asks; without any role where no session stands."""
        token = asked.cookies.get(chosen.cookie, "")
        if not token:
            return _NOBODY
        at, known = self._seen.get(token, (0.0, None))
        if known is None or time.monotonic() > at + _FRESH_SECONDS:
            # The page that comes of it is the sign of life, not the asking for it.
            known = await asyncio.to_thread(
                sessions(self._home).look, token, chosen.idle, chosen.absolute, alive=False
            )
            self._seen.pop(token, None)
            if known is not None:
                if len(self._seen) >= _MOST_SEEN:
                    self._seen.clear()
                self._seen[token] = (time.monotonic(), known)
        return Reader(known.name, chosen.roles_of(known.groups)) if known else _NOBODY

    async def _left_open(self, chosen: SignIn, asked: HTTPConnection) -> bool:
        """Whether it may be a page of a session that is over, which comes back to be emptied.

        Refused, it would stay on the screen as it was. Where it runs again it is told what any
        page is told whose session has ended: to sign in.
        """
        token = asked.cookies.get(chosen.cookie, "")
        if asked.scope["path"] not in _AGAIN or not token:
            return False
        return await asyncio.to_thread(sessions(self._home).began, token)

    async def _signed_in(self, chosen: SignIn, scope: Scope, receive: Receive, send: Send) -> None:
        """Let Streamlit ask the provider who this is, and begin a session of ours with it."""
        heads: list[tuple[bytes, bytes]] = []

        async def kept_back(message: Message) -> None:
            if message["type"] == "http.response.start":
                heads.extend(message.get("headers", []))

        await self._app(scope, receive, kept_back)
        cookies = [
            value.decode("latin-1") for name, value in heads if name.lower() == b"set-cookie"
        ]
        answer = await asyncio.to_thread(self._begun, chosen, Request(scope), _claims(cookies))
        for cookie in cookies:
            if not cookie.startswith(USER_COOKIE_NAME):
                answer.headers.append("set-cookie", cookie)
        await answer(scope, receive, send)

    def _begun(self, chosen: SignIn, asked: Request, claims: Mapping[str, Any]) -> Response:
        subject, name, groups = (
            str(claims.get("sub", "")),
            chosen.name(claims),
            chosen.groups(claims),
        )
        if not subject:
            return RedirectResponse(f"{SIGN_IN}?failed=1", status_code=303)
        reader = Reader(name, chosen.roles_of(groups))
        if not reader.may(SEE):
            audit.record(self._home, name, audit.DENIED, "sign-in", reason="no role")
            return _page(
                "No role here",
                f"You signed in as {escape(name)}, but none of your groups has a role in this "
                "installation. Ask whoever runs it.",
                link=generate_login_redirect_url("default"),  # there an account can be chosen
                label="Use another account",
                status=403,
            )
        audit.record(self._home, name, audit.SIGNED_IN, "session", roles=sorted(reader.roles))
        if before := asked.cookies.get(chosen.cookie):
            # This browser loses its id with the new one: nobody could sign out of it any more.
            sessions(self._home).end(before, "signed in anew")
            self._seen.pop(before, None)
        token = sessions(self._home).begin(subject, name, groups)
        answer = RedirectResponse(safe_next(unquote(asked.cookies.get(NEXT_COOKIE, ""))), 303)
        answer.set_cookie(
            chosen.cookie,
            token,
            # Longer than the session: by its id a page that was left open is known, and emptied.
            max_age=int(KEPT.total_seconds()),
            httponly=True,
            secure=chosen.secure,
            samesite="lax",
        )
        answer.delete_cookie(NEXT_COOKIE)
        return answer

    def _signed_out(self, chosen: SignIn, asked: Request) -> Response:
        answer = RedirectResponse(f"{SIGN_IN}?left=1", status_code=303)
        if token := asked.cookies.get(chosen.cookie):
            # The browser keeps its id: other pages of it may come back, and are emptied by it.
            sessions(self._home).end(token, "signed out")
            self._seen.pop(token, None)
        return answer


def safe_next(wished: str) -> str:
    """The page to go to after the sign-in: one of this server's, or the first one."""
    inside = re.fullmatch(r"(/[a-z-]+)(\?[\x21-\x7e]*)?", wished)
    fits = inside and inside[1] != SIGN_IN and len(wished) <= _NEXT_LENGTH
    return wished if fits else FIRST_PAGE


def routes(home: Home) -> list[Route]:
    """The sign-in."""

    async def asked_in(asked: Request) -> Response:
        if sign_in(home) is None:
            return RedirectResponse(FIRST_PAGE, status_code=303)
        failed, left = asked.query_params.get("failed"), asked.query_params.get("left")
        words = "Use your organisation's account."
        if failed:
            words = "That did not work: your provider sent no answer that holds. Try again."
        elif left:
            words = "You have signed out here. On a shared computer, leave your provider too."
        answer = _page("Sign in", words, link=generate_login_redirect_url("default"))
        if wished := asked.query_params.get("next"):
            answer.set_cookie(
                NEXT_COOKIE,
                quote(safe_next(wished)),
                max_age=_NEXT_SECONDS,
                httponly=True,
                samesite="lax",
            )
        return answer

    return [Route(SIGN_IN, asked_in)]


async def _closed(scope: Scope, receive: Receive, send: Send) -> None:
    """Who asks cannot be known, so nobody gets anything."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4403})
    else:
        words = "Nobody can sign in at the moment. Tell whoever runs this server."
        await PlainTextResponse(words, status_code=503)(scope, receive, send)


def _secured(send: Send) -> Send:
    """Sends every cookie for TLS alone, those of Streamlit's login too."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                (name, value + b"; Secure")
                if name.lower() == b"set-cookie" and b"secure" not in value.lower().split(b"; ")
                else (name, value)
                for name, value in message.get("headers", [])
            ]
        await send(message)

    return sent


def _refusal(asked: Request) -> Response:
    """A page leads to the sign-in and comes back afterwards; anything else is just refused."""
    if asked.method == "GET" and "text/html" in asked.headers.get("accept", ""):
        query = f"?{asked.url.query}" if asked.url.query else ""
        wished = quote(f"{asked.url.path}{query}", safe="")
        return RedirectResponse(f"{SIGN_IN}?next={wished}", status_code=303)
    return PlainTextResponse("Sign in first.", status_code=401)


def _page(
    title: str, words: str, *, link: str, label: str = "Sign in", status: int = 200
) -> HTMLResponse:
    button = f'<a href="{escape(link)}">{label}</a>'
    body = _PAGE.format(mark=_WORDMARK, title=title, words=words, link=button)
    return HTMLResponse(body, status_code=status, headers={"cache-control": "no-store"})


def _claims(cookies: Iterable[str]) -> Mapping[str, Any]:
    """What the provider said of the reader, out of the cookies that Streamlit's login sets."""
    values: dict[str, str] = {}
    for cookie in cookies:
        values |= {name: part.value for name, part in SimpleCookie(cookie).items()}

    def one(name: str) -> bytes | None:
        value = values.get(name)
        return decode_signed_value(get_cookie_secret(), name, value) if value else None

    said = get_cookie_with_chunks(one, USER_COOKIE_NAME)
    claims = json.loads(said) if said else {}
    return claims if isinstance(claims, dict) else {}
