"""All that goes between a browser and the server of a home folder, and what the server says."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import page_server
from canaries import Place
from playwright.sync_api import Page, Request, WebSocket, expect, sync_playwright

from attribution.paths import Home

CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
PATIENCE_MS = 60_000


def browsed(home: Home, log: Path, pages: Iterable[str]) -> Iterator[Place]:
    """Open pages one after the other: addresses, requests, answers, frames, texts, the log."""
    seen: list[Place] = []
    port = page_server.free_port()
    with log.open("wb") as out:
        server = subprocess.Popen(
            page_server.command(port),
            env=page_server.environment(home),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            page_server._wait(server, f"http://127.0.0.1:{port}/healthz")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
                page = browser.new_context().new_page()
                _listen(page, seen)
                for name in pages:
                    page.goto(f"http://127.0.0.1:{port}/{name}")
                    expect(page.locator("h1")).to_be_visible(timeout=PATIENCE_MS)
                    expect(page.get_by_test_id("stStatusWidget")).to_be_hidden(timeout=PATIENCE_MS)
                    seen.append(Place("page", page.content().encode()))
                browser.close()
        finally:
            server.terminate()
            server.wait(20)
    yield from seen
    yield Place("log of the server", log.read_bytes())


def _listen(page: Page, seen: list[Place]) -> None:
    def note(name: str, content: str | bytes | None) -> None:
        seen.append(Place(name, content.encode() if isinstance(content, str) else content or b""))

    def asked(request: Request) -> None:
        note("address", request.url)
        note("request", request.post_data_buffer)
        note("headers", str(request.headers))

    def opened(socket: WebSocket) -> None:
        note("address", socket.url)
        socket.on("framesent", lambda frame: note("frame", frame))
        socket.on("framereceived", lambda frame: note("frame", frame))

    page.on("request", asked)
    page.on("websocket", opened)
    page.on("console", lambda said: note("console", said.text))
