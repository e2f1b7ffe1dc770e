"""A threaded HTTP server on 127.0.0.1 that answers by a function and can be told to fail."""

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked; header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    pairs: tuple[tuple[str, str], ...] = ()  # of the query, where a name may come twice

    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server says, and how it says it.

    `manner`: whole; cut (the connection ends half way through the body); reset (the same, with a
    TCP reset); hang (never a byte); drip (a byte at a time, for as long as the server lives).
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Literal["whole", "cut", "reset", "hang", "drip"] = "whole"


def as_json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    kind = {"content-type": "application/json; charset=utf-8"}
    return Reply(status, json.dumps(body).encode(), kind | dict(headers or {}))


def as_html(status: int, text: str = "<html><h1>Bad Gateway</h1></html>") -> Reply:
    return Reply(status, text.encode(), {"content-type": "text/html"})


HANG = Reply(manner="hang")
CUT = Reply(body=b'{"results": [' + b" " * 4000, manner="cut")
RESET = Reply(body=b'{"results": [' + b" " * 4000, manner="reset")
DRIP = Reply(body=b" " * 100_000, manner="drip")
JSON_WITHOUT_ERROR = as_json({"foo": 1}, 500)
TOO_MANY = as_json({"message": "slow down"}, 429)


class Loopback:
    """Base of the servers: `with Server() as server: server.url`.

    `server.fail(reply, ...)` scripts what the next requests get instead of an answer; None lets
    one pass. `on` restricts the script to requests whose method and path contain it. `before` is
    called with each request before anything is done about it, `after` when it was done and is not
    answered yet: whoever asks may die there.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.before: Callable[[Request], None] = lambda _request: None
        self.after: Callable[[Request], None] = lambda _request: None
        self._script: deque[tuple[str, Reply | None]] = deque()
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self.new_fields = False  # whether every object has a field that nobody knows yet
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def fail(self, *replies: Reply | None, on: str = "") -> None:
        self._script.extend((on, reply) for reply in replies)

    def asked(self, part: str = "") -> list[Request]:
        """The requests so far whose method and path contain `part`."""
        return [r for r in self.requests if part in f"{r.method} {r.path}"]

    def answer(self, request: Request) -> Reply:
        raise NotImplementedError

    def _reply(self, request: Request) -> Reply:
        reply = self._replied(request)
        return _with_new_fields(reply) if self.new_fields else reply

    def _replied(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            self.before(request)
            reply = self._foretold(request) or self.answer(request)
            self.after(request)
            return reply

    def _foretold(self, request: Request) -> Reply | None:
        for place, (on, reply) in enumerate(self._script):
            if on in f"{request.method} {request.path}":
                del self._script[place]
                return reply
        return None


def _with_new_fields(reply: Reply) -> Reply:
    """An answer of a later version of the API, which tells more."""
    if not reply.headers.get("content-type", "").startswith("application/json"):
        return reply
    return replace(reply, body=json.dumps(_more(json.loads(reply.body))).encode())


def _more(said: Any) -> Any:
    if isinstance(said, list):
        return [_more(each) for each in said]
    if isinstance(said, dict):
        return {name: _more(each) for name, each in said.items()} | {"newly_added": {"of": "more"}}
    return said


def _handler(server: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing: a test's output is its own."""

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:  # whoever asked is gone, or was killed
                self.close_connection = True

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            request = Request(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(length),
                tuple(parse_qsl(parts.query, keep_blank_values=True)),
            )
            try:
                self._say(server._reply(request))
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _say(self, reply: Reply) -> None:
            if reply.manner == "hang":
                server._closing.wait()
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            if reply.manner == "drip":
                self._drip(reply.body)
                return
            whole = reply.manner == "whole"
            self.wfile.write(reply.body if whole else reply.body[: len(reply.body) // 2])
            self.wfile.flush()
            if not whole:
                self.close_connection = True
            if reply.manner == "reset":
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.connection.close()

        def _drip(self, body: bytes) -> None:
            self.close_connection = True
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if server._closing.wait(0.05):
                    return

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    return Handler
