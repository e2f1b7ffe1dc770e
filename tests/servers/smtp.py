"""A loopback mail server: it keeps what it takes, logs it as Postfix does, and can be told to fail.

    with SmtpServer(folder) as server:
        settings = {"host": "127.0.0.1", "port": server.port, "log": folder}

It takes a message when it has the final dot, writes that down, and answers after that: whoever is
killed in between never hears of it. `server.fail("451 later", on="RCPT")` scripts answers; "drop"
hangs up, and "drop after" takes the message and hangs up instead of answering.
"""

import base64
import re
import socketserver
import ssl
import threading
from collections import deque
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Self

_ID = re.compile(rb"^message-id:\s*<([^>]+)>", re.IGNORECASE | re.MULTILINE)


class SmtpServer:
    """A server on 127.0.0.1 for the length of a block."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        context: ssl.SSLContext | None = None,
        user: tuple[str, str] | None = None,
    ) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.commands: list[str] = []
        self.log = folder / "mail.log" if folder else None
        self.context, self.user = context, user
        self.on_data = lambda: None
        self._script: deque[tuple[str, str]] = deque()
        self._lock = threading.Lock()
        self._tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _handler(self))
        self._tcp.daemon_threads = True
        self._tcp.block_on_close = False
        self.port = self._tcp.server_address[1]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=self._tcp.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._tcp.shutdown()
        self._tcp.server_close()
        self._thread.join()

    def fail(self, *answers: str, on: str) -> None:
        """What the next commands that begin with `on` get instead of an answer."""
        self._script.extend((on, answer) for answer in answers)

    @property
    def ids(self) -> list[str]:
        """The Message-IDs of what was taken, in order."""
        return [found[1].decode() for _to, raw in self.taken if (found := _ID.search(raw))]

    def messages(self) -> list[Message]:
        return [message_from_bytes(raw) for _to, raw in self.taken]

    def scripted(self, command: str) -> str | None:
        with self._lock:
            self.commands.append(command)
            for place, (on, answer) in enumerate(self._script):
                if command.upper().startswith(on):
                    del self._script[place]
                    return answer
        return None

    def take(self, sender: str, recipient: str, content: bytes) -> None:
        """Keep a message for good, and log it."""
        with self._lock:
            self.taken.append((recipient, content))
            if self.log is None:
                return
            found = _ID.search(content)
            name = found[1].decode() if found else "none"
            at, queue = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f+00:00}", f"{len(self.taken):08X}"
            lines = (
                f"cleanup[11]: {queue}: message-id=<{name}>",
                f"qmgr[12]: {queue}: from=<{sender}>, size={len(content)}, nrcpt=1 (queue active)",
                f"smtp[13]: {queue}: to=<{recipient}>, relay=mx, dsn=2.0.0, status=sent (250 ok)",
                f"qmgr[12]: {queue}: removed",
            )
            with self.log.open("a") as file:
                file.writelines(f"{at} mail postfix/{line}\n" for line in lines)


def _handler(server: SmtpServer) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            try:
                self._serve()
            except (ConnectionError, ssl.SSLError):
                return
            finally:
                self.connection.close()

        def _say(self, answer: str) -> None:
            self.wfile.write(f"{answer}\r\n".encode())

        def _serve(self) -> None:
            sender = recipient = ""
            secure, known, greeted, within = False, server.user is None, False, False
            self._say("220 loopback ESMTP")
            while line := self.rfile.readline():
                command = line.decode().strip()
                verb = command.split(" ")[0].upper()
                answer = server.scripted(command)
                if answer == "drop":
                    return
                if answer and answer != "drop after":
                    self._say(answer)
                elif verb in ("EHLO", "HELO"):
                    greeted, within = True, False
                    offers = ["250-loopback"]
                    if server.context and not secure:
                        offers.append("250-STARTTLS")
                    if server.user:
                        offers.append("250-AUTH PLAIN")
                    for offer in [*offers, "250 8BITMIME"]:
                        self._say(offer)
                elif verb == "STARTTLS" and server.context:
                    self._say("220 go ahead")
                    self.connection = server.context.wrap_socket(self.connection, server_side=True)
                    self.rfile, self.wfile = (self.connection.makefile(m) for m in ("rb", "wb"))
                    self.wfile = _Flushed(self.wfile)
                    secure, greeted = True, False  # RFC 3207, 4.2: all that was said is forgotten
                elif verb == "AUTH":
                    said = base64.b64decode(command.split(" ")[-1]).split(b"\0")[1:]
                    known = tuple(part.decode() for part in said) == server.user
                    self._say("235 welcome" if known else "535 5.7.8 no")
                elif verb == "MAIL" and not greeted:
                    self._say("503 5.5.1 say hello first")
                elif verb == "MAIL" and within:
                    self._say("503 5.5.1 Error: nested MAIL command")
                elif verb == "MAIL":
                    within = known
                    sender = command.partition("<")[2].partition(">")[0]
                    self._say("250 ok" if known else "530 5.7.0 who are you")
                elif verb == "RCPT":
                    recipient = command.partition("<")[2].partition(">")[0]
                    self._say("250 ok")
                elif verb == "DATA":
                    self._say("354 go ahead")
                    within = False
                    if not self._data(sender, recipient, hang_up=answer == "drop after"):
                        return
                elif verb == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    within = within and verb != "RSET"
                    self._say("250 ok")

        def _data(self, sender: str, recipient: str, *, hang_up: bool) -> bool:
            lines: list[bytes] = []
            while (line := self.rfile.readline()) != b".\r\n":
                if not line:
                    return False  # without the dot it was never given to us
                lines.append(line[1:] if line.startswith(b"..") else line)
            refusal = server.scripted("DOT")
            if refusal:
                self._say(refusal)
                return True
            server.take(sender, recipient, b"".join(lines))
            server.on_data()
            if hang_up:
                return False
            self._say("250 2.0.0 queued")
            return True

    return Handler


class _Flushed:
    """A writer that waits for nothing."""

    def __init__(self, file: object) -> None:
        self._file = file

    def write(self, content: bytes) -> None:
        self._file.write(content)  # type: ignore[attr-defined]
        self._file.flush()  # type: ignore[attr-defined]

    def flush(self) -> None:
        self._file.flush()  # type: ignore[attr-defined]

    @property
    def closed(self) -> bool:
        return bool(self._file.closed)  # type: ignore[attr-defined]

    def close(self) -> None:
        self._file.close()  # type: ignore[attr-defined]
