"""The server around the pages: who may ask, what travels, what is warm before the first reader."""

import asyncio
import gc
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route
from streamlit import config

from attribution import log_lines, settings, text_in_frames
from attribution.at_rest import require_private
from attribution.errors import CaretraceError, SettingsError
from attribution.paths import APP, Home
from attribution.roles import AS_ROLE
from attribution.sign_in import LOOPBACK, sign_in, streamlit_secrets
from attribution.ui import gate
from attribution.ui.face import face
from attribution.ui.freshness import freshness
from attribution.ui.headers import Headers
from attribution.ui.measured import Measured
from attribution.ui.named import Named

LOG = logging.getLogger("caretrace")


async def healthz(_: Request) -> JSONResponse:
    """Whether there is something to show and how old it is; no data."""
    try:
        state = await asyncio.to_thread(freshness, settings.home())
    except CaretraceError as error:
        LOG.error("health: %s", error)
        return JSONResponse({"status": "broken", "generation": None}, status_code=503)
    except Exception as error:
        # A disk or a database that fails in its own words, which may quote data.
        LOG.error("health: unreadable, %s", type(error).__name__)
        return JSONResponse({"status": "unreadable", "generation": None}, status_code=503)
    age = None
    if state.published_at is not None:
        age = int((datetime.now(UTC) - state.published_at).total_seconds())
    return JSONResponse({"status": state.state, "generation": state.generation, "age_seconds": age})


async def start(asked: Request) -> RedirectResponse:
    """From / to the first page, with what the address chooses."""
    query = f"?{asked.url.query}" if asked.url.query else ""
    return RedirectResponse(f"{gate.FIRST_PAGE}{query}", status_code=307)


def routes(home: Home) -> list[Route]:
    """What the server answers itself."""
    return [Route("/healthz", healthz), Route("/", start), *gate.routes(home)]


def middleware(home: Home) -> list[Middleware]:
    """What stands between a request and the pages, from the outside in."""
    return [
        Middleware(Measured, home=home),
        Middleware(Named, home=home),
        Middleware(Headers),
        # Streamlit leaves /static uncompressed; the chart library alone is 4.7 MB.
        Middleware(GZipMiddleware, minimum_size=1024, compresslevel=4),
        Middleware(gate.Gate, home=home),
    ]


def refuse_unsafe_settings(home: Home, option: Callable[[str], Any] = config.get_option) -> None:
    """Raise SettingsError where a setting would open what must stay closed."""
    chosen = sign_in(home)
    problems = [
        (option("global.developmentMode"), "global.developmentMode must be off"),
        (option("server.enableAgentApi"), "server.enableAgentApi must be off"),
        (option("server.baseUrlPath"), "server.baseUrlPath must be empty"),
        (not option("server.headless"), "server.headless must be on"),
        (not option("client.disableDataExport"), "client.disableDataExport must be on"),
        (option("server.enableStaticServing"), "server.enableStaticServing must be off"),
        (not option("server.enableCORS"), "server.enableCORS must be on"),
        (not option("server.enableXsrfProtection"), "server.enableXsrfProtection must be on"),
        (option("client.showErrorDetails") != "none", 'client.showErrorDetails must be "none"'),
        (
            option("server.address") not in LOOPBACK and not (chosen and chosen.secure),
            "server.address must be 127.0.0.1 while readers do not sign in over https",
        ),
    ]
    found = [what for wrong, what in problems if wrong]
    if found:
        raise SettingsError(
            f"The server does not start: {'; '.join(found)}. Correct it in .streamlit/config.toml, "
            "in the environment (STREAMLIT_…) or on the command line."
        )
    if chosen is None and home.config.is_file() and not face(home).demo:
        raise SettingsError(
            "The server does not start: these data are of real people, and nobody can sign in. Add "
            f"[sign_in] to {home.config} (docs/sign-in.md shows how). Only an installation with "
            "simulated people (demo = true) is served without it, on this computer."
        )


def checked(home: Home) -> None:
    """Leave with one sentence and exit code 2 where settings, or the home folder, are unsafe."""
    log_lines.begin()
    try:
        require_private(home)
        refuse_unsafe_settings(home)
    except CaretraceError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(error.exit_code) from None


def login(home: Home) -> dict[str, Any]:
    """What Streamlit's own login is told; nothing where nobody signs in."""
    chosen = sign_in(home)
    return dict(streamlit_secrets(home, chosen)) if chosen else {}


@asynccontextmanager
async def lifespan(_: object) -> AsyncIterator[None]:
    """Import and compute what the first reader would wait for, then freeze it.

    Streamlit collects all garbage after every script run; what is frozen is not looked through
    again, which is most of what a rerun costs.
    """
    text_in_frames.as_objects()
    send_at_once()
    await asyncio.to_thread(warm, settings.home())
    gc.collect()
    gc.freeze()
    yield


def send_at_once() -> None:
    """Let no small message wait until the one before is acknowledged: that is 40 ms a page.

    Streamlit binds its socket without naming TCP, so asyncio leaves Nagle's algorithm on, and
    offers no hook; on Linux and macOS a connection inherits the option from the socket that
    listens, which is found here among the living objects.
    """
    for each in gc.get_objects():
        if type(each) is socket.socket and each.fileno() >= 0 and _listens(each):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _listens(each: socket.socket) -> bool:
    return (
        each.family in (socket.AF_INET, socket.AF_INET6)
        and each.type == socket.SOCK_STREAM
        and bool(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    )


def warm(home: Home) -> None:
    """Build the views of the default filters."""
    from attribution.ui import warming

    try:
        warming.warm(home)
    except CaretraceError as error:
        LOG.warning("not warmed: %s", error)


def say_error(error: BaseException) -> bool:
    """Tell the reader that a page failed, with a reference to the log and nothing of the cause."""
    if isinstance(error, CaretraceError):
        # A sentence for a person says all there is to know: where in the program it was is no news.
        LOG.warning("page refused: %s", " ".join(str(error).split()))
        st.error(str(error), title="This page cannot be shown", icon=":material/error:")
    else:
        reference = os.urandom(4).hex()
        # Not in its own words, which may quote data: of lines for a program only its type is one.
        LOG.error("page error %s", reference, exc_info=error)
        st.error(
            f"Try again; if it stays, tell whoever runs this server the reference {reference}.",
            title="Something went wrong",
            icon=":material/error:",
        )
    return True


def serve(port: int, home: Home, role: str | None = None) -> None:
    """Serve the dashboard until stopped; where nobody signs in, to somebody with one `role`.

    The process becomes the server: what the caller held in memory is given back, and signals
    reach it directly.
    """
    os.environ["CARETRACE_HOME"] = str(home.folder)
    os.environ.pop(AS_ROLE, None)
    if role is not None:
        os.environ[AS_ROLE] = role
    sys.stdout.flush()
    os.execv(sys.executable, command(port))  # noqa: S606  fixed words and a number


def command(port: int) -> list[str]:
    """What serves the dashboard; it says its address as a person types it."""
    streamlit = [sys.executable, "-m", "streamlit", "run", str(APP)]
    return [*streamlit, "--server.port", str(port), "--browser.serverAddress", "localhost"]
