"""`/metrics`: what a monitor on this computer asks for; from anywhere else there is no such page.

It stands before the sign-in, as a monitor has no account. So it asks more of a request than to come
from this computer: a proxy does that too. The name in it must be a loopback one, and nobody may
have passed it on.
"""

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from attribution.paths import Home
from attribution.telemetry import measured

PATH = "/metrics"
_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_CLIENTS = frozenset({"127.0.0.1", "::1"})
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via", "origin")


class Measured:
    """Answers for the measures itself, and hands on all else."""

    def __init__(self, app: ASGIApp, home: Home) -> None:
        self._app, self._home = app, home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        answer: Response = PlainTextResponse("Not found.", status_code=404)
        if from_this_computer(Request(scope)):
            text = await asyncio.to_thread(measured, self._home)
            answer = Response(text, media_type=CONTENT_TYPE_LATEST)
        answer.headers["cache-control"] = "no-store"
        await answer(scope, receive, send)


def from_this_computer(asked: Request) -> bool:
    """Whether a program on this computer asks, and no proxy for somebody else."""
    name = asked.headers.get("host", "").lower()
    name = name[: name.find("]") + 1] if name.startswith("[") else name.partition(":")[0]
    return (
        name in _NAMES
        and asked.client is not None
        and asked.client.host in _CLIENTS
        and not any(header in asked.headers for header in _PASSED_ON)
    )
