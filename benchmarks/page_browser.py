"""Each page in a real browser that has never been here: time, bytes, and whom it asks."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE_MS = 40_000
RAN = "[data-test-script-state=notRunning]"


@dataclass(slots=True)
class Load:
    """One page, from its address to its last figure."""

    page: str
    seconds: float = 0.0
    received: float = 0.0
    outside: list[str] = field(default_factory=list)


def cold_loads(address: str, pages: Sequence[str]) -> list[Load]:
    """Open every page of a server, each as a new visitor."""
    loads = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        for page in pages:
            visitor = browser.new_context(viewport={"width": 1440, "height": 900})
            loads.append(_load(visitor, address, page))
            visitor.close()
        browser.close()
    return loads


def _load(visitor: BrowserContext, address: str, name: str) -> Load:
    load = Load(name)
    page = visitor.new_page()
    page.on("request", lambda asked: _note(load, asked.url, address))
    tab = visitor.new_cdp_session(page)
    tab.send("Network.enable")
    tab.on("Network.loadingFinished", lambda said: _add(load, said["encodedDataLength"]))
    # The browser shows binary frames in base64: four signs for three bytes.
    tab.on(
        "Network.webSocketFrameReceived",
        lambda said: _add(load, len(said["response"]["payloadData"]) * 3 / 4),
    )
    began = time.perf_counter()
    page.goto(f"{address}/{name}")
    page.locator(f"{RAN} [data-testid=stDataFrame]").first.wait_for(timeout=PATIENCE_MS)
    for figure in page.get_by_test_id("stPlotlyChart").all():
        figure.locator(".main-svg").first.wait_for(timeout=PATIENCE_MS)
    load.seconds = time.perf_counter() - began
    return load


def _add(load: Load, size: float) -> None:
    load.received += size


def _note(load: Load, url: str, address: str) -> None:
    if not url.startswith((f"{address}/", "data:", "blob:")):
        load.outside.append(url)
