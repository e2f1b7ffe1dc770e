"""The security headers of every response: what a page may load, and what nobody keeps."""

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import streamlit as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PRIVATE = ("/media/", "/healthz", "/sign-in", "/auth/", "/oauth2callback")
_LED_AWAY_OR_REFUSED = frozenset({301, 302, 303, 307, 401, 403})
_HASHED_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def content_policy() -> str:
    """The content security policy: this server and nothing else.

    Streamlit's start page has one inline script; its hash is read from the installed file, so
    that the policy can go without 'unsafe-inline'.
    """
    index = Path(st.__file__).parent / "static" / "index.html"
    hashes = " ".join(
        f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"
        for script in _HASHED_SCRIPT.findall(index.read_text(encoding="utf-8"))
    )
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' 'wasm-unsafe-eval' {hashes}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "frame-src 'none'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class Headers:
    """Adds the security headers to every response; nobody keeps downloads or the sign-in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [
            (b"content-security-policy", content_policy().encode("ascii")),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"x-frame-options", b"DENY"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        always = scope["path"].startswith(_PRIVATE)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Kept, it would lead somebody away who has signed in meanwhile.
                private = always or message["status"] in _LED_AWAY_OR_REFUSED
                ours = {name for name, _ in self._headers} | (
                    {b"cache-control"} if private else set()
                )
                theirs = [
                    pair for pair in message.get("headers", []) if pair[0].lower() not in ours
                ]
                no_store = [(b"cache-control", b"no-store")] if private else []
                message["headers"] = [*theirs, *self._headers, *no_store]
            await send(message)

        await self._app(scope, receive, send_with_headers)
