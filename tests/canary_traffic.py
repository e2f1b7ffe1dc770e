"""All that goes between a browser and the server of a home folder, and what the server says."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import page_server
from canaries import Place
from playwright.sync_api import Page, Request, WebSocket, expect, sync_playwright

from attribution.paths import Home

CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
PATIENCE_MS = 60_000


def browsed(home: Home, log: Path, number: str) -> Iterator[Place]:
    """Open every page of the menu: addresses, requests, answers, frames, texts, the log.

    On the page Patient journey somebody's medical record number is typed and their journey opened:
    the one frame that carries it away is left out.
    """
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
                page.goto(f"http://127.0.0.1:{port}")
                menu = page.get_by_test_id("stSidebarNav").get_by_role("link")
                expect(menu.first).to_be_visible(timeout=PATIENCE_MS)
                for place, title in enumerate(menu.all_inner_texts()):
                    # By the menu: to load the whole program anew for each costs a second.
                    menu.nth(place).click(timeout=PATIENCE_MS)
                    expect(page.locator("h1")).to_have_text(title, timeout=PATIENCE_MS)
                    _settled(page)
                    if title == "Patient journey":
                        _look_up(page, number)
                    seen.append(Place(f"page {title}", page.content().encode()))
                browser.close()
        finally:
            server.terminate()
            server.wait(20)
    carried = [one for one in seen if one.name == "sent" and number.encode() in one.content]
    assert len(carried) == 1
    yield from (one for one in seen if one is not carried[0])
    yield Place("log of the server", log.read_bytes())


def _settled(page: Page) -> None:
    expect(page.get_by_test_id("stStatusWidget")).to_be_hidden(timeout=PATIENCE_MS)


def _look_up(page: Page, number: str) -> None:
    page.get_by_role("textbox", name="Number", exact=True).fill(number, timeout=PATIENCE_MS)
    page.get_by_role("combobox", name="Reason").click()
    page.get_by_role("option", name="Treatment").click()
    page.get_by_role("button", name="Open the journey").click()
    expect(page.get_by_text("What comes next", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    _settled(page)
    # The field that it was typed into goes with the next drawing, which may be slow.
    for _ in range(PATIENCE_MS // 100):
        if number not in page.content():
            return
        page.wait_for_timeout(100)


def _listen(page: Page, seen: list[Place]) -> None:
    def note(name: str, content: str | bytes | None) -> None:
        seen.append(Place(name, content.encode() if isinstance(content, str) else content or b""))

    def asked(request: Request) -> None:
        note("address", request.url)
        note("request", request.post_data_buffer)
        note("headers", str(request.headers))

    def opened(socket: WebSocket) -> None:
        note("address", socket.url)
        socket.on("framesent", lambda frame: note("sent", frame))
        socket.on("framereceived", lambda frame: note("frame", frame))

    page.on("request", asked)
    page.on("websocket", opened)
    page.on("console", lambda said: note("console", said.text))
