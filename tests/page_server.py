"""The real server on a free port, in a process of its own, for tests that need one."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

from attribution.paths import APP, Home

PATIENCE_S = 90


def command(port: int, *flags: str) -> list[str]:
    """What starts the server."""
    run = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.port", str(port)]
    return [*run, *flags]


def environment(home: Home) -> dict[str, str]:
    """This process's environment with another home folder and no Streamlit settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("STREAMLIT_")}
    return kept | {"CARETRACE_HOME": str(home.folder)}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(home: Home, port: int | None = None) -> Iterator[str]:
    """Serve a home folder and give the server's address."""
    port = port or free_port()
    # Not a pipe: nobody reads it, and once it is full the server waits for ever.
    with TemporaryFile() as said:
        process = subprocess.Popen(
            command(port), env=environment(home), stdout=said, stderr=subprocess.STDOUT
        )
        try:
            _wait(process, f"http://127.0.0.1:{port}/healthz", said)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait(process: subprocess.Popen[bytes], address: str, said: IO[bytes] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            if said is None:
                raise RuntimeError("the server ended before it answered")
            said.seek(0)
            raise RuntimeError(said.read().decode())
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:  # refused, reset, or accepted by a server that is still starting
            time.sleep(0.1)
    raise TimeoutError(address)
