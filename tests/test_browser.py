"""The pages in a real browser: the first address of a fresh server, requests, themes, phones."""

import csv
import re
import tomllib
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import marts_fixture as made_up
import page_server
import people_fixture as made_up_people
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from attribution.paths import ROOT

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 30_000
ADDRESSES = (
    *("overview", "channels", "attribution", "journeys", "reconcile", "reactivation"),
    *("cohorts", "experience", "engagement", "education", "forecast", "lift", "budget"),
    *("data-health", "reports", "definitions"),
)
OPEN = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def served(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Page]]:
    """A server's address, and the first page that anybody opened there."""
    home = made_up.make_home(tmp_path_factory.mktemp("home"), demo=True)
    with page_server.serving(home) as at:
        first = browser.new_page()
        first.goto(f"{at}/channels?period=4w")
        expect(first.locator("h1")).to_be_visible(timeout=PATIENCE_MS)
        yield at, first


@pytest.fixture(scope="module")
def address(served: tuple[str, Page]) -> str:
    return served[0]


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One reader for all tests, so that the interface is loaded once."""
    reader = browser.new_context(viewport={"width": 1440, "height": 900})
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def kept() -> dict[str, Page]:
    """One page for each theme, which was opened and goes from address to address."""
    return {}


@pytest.fixture
def look_at(context: BrowserContext, address: str, kept: dict[str, Page]) -> OPEN:
    """Look at a page, by the menu of one that is open: to load the program anew takes seconds."""

    def looked(path: str, *, theme: str = "light") -> Page:
        if theme not in kept:
            kept[theme] = _opened(context, address, path, theme)
        page = kept[theme]
        page.bring_to_front()
        page.set_viewport_size({"width": 1440, "height": 900})
        if urlsplit(page.url).path != f"/{path}":
            _chosen(page, path)
        return page

    return looked


def _chosen(page: Page, path: str) -> None:
    """Go to another page by the menu and wait until all of it is drawn."""
    link = page.get_by_test_id("stSidebarNav").locator(f"a[href$='/{path}']")
    expect(link).to_be_visible(timeout=PATIENCE_MS)
    title = link.inner_text()
    link.click()
    expect(page.locator("h1")).to_have_text(title, timeout=PATIENCE_MS)
    expect(page.get_by_test_id("stStatusWidget")).to_be_hidden(timeout=PATIENCE_MS)
    if path != "reports":  # of which there is no table until one was sent
        expect(page.get_by_test_id("stDataFrame").first).to_be_visible(timeout=PATIENCE_MS)


@pytest.fixture
def open_page(context: BrowserContext, address: str) -> Iterator[OPEN]:
    """Open a page and wait until the shell and the page are drawn."""
    pages = []

    def opened(path: str, *, theme: str = "light") -> Page:
        pages.append(_opened(context, address, path, theme))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


def _opened(context: BrowserContext, address: str, path: str, theme: str) -> Page:
    page = context.new_page()
    page.emulate_media(color_scheme=theme)
    page.elsewhere = []
    page.blocked = []
    page.on("request", lambda request: _note(page, request.url, address))
    page.on("console", lambda said: _note_policy(page, said.text))
    page.goto(f"{address}/{path}")
    expect(page.locator("h1")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible(timeout=PATIENCE_MS)
    return page


def _note_policy(page: Page, said: str) -> None:
    if "Policy" in said:
        page.blocked.append(said)


def _note(page: Page, url: str, address: str) -> None:
    own = address.partition("://")[2]
    if not url.startswith(("data:", "blob:")) and url.partition("://")[2].partition("/")[0] != own:
        page.elsewhere.append(url)


def test_the_first_address_of_a_fresh_server_goes_through_the_shell(served: tuple[str, Page]):
    """No session had run `st.navigation` yet: Streamlit must not find the page by itself."""
    _, page = served
    expect(page.locator("h1")).to_have_text("Channels", timeout=PATIENCE_MS)
    expect(page.get_by_test_id("stSidebarNav")).to_contain_text("Data health")
    expect(page.get_by_test_id("stSidebar")).to_contain_text("4 weeks")
    expect(page.get_by_text("Page not found")).to_have_count(0)
    page.close()


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_page_asks_nobody_else_and_fits_a_phone(look_at: OPEN, path: str):
    page = look_at(path)
    page.wait_for_load_state("networkidle")
    assert page.elsewhere == []
    assert page.blocked == []
    expect(page.locator("img[src*=evil]")).to_have_count(0)
    expect(page.get_by_text("Something went wrong")).to_have_count(0)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(
        "() => { const m = document.querySelector('[data-testid=stMain]');"
        " return m.clientWidth <= 390 && m.scrollWidth <= m.clientWidth }",
        timeout=PATIENCE_MS,
    )


def test_journeys_of_the_simulated_can_be_read_on_a_phone(open_page: OPEN):
    page = open_page("attribution?why_open=true&why=Email&why_model=Linear")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.get_by_text("Journeys of which Email was part")).to_be_visible(timeout=PATIENCE_MS)
    ends = page.locator(".stMarkdownBadge", has_text="Booked")
    expect(ends.first).to_be_visible(timeout=PATIENCE_MS)
    assert ends.count() == sum("email" in way for way in made_up_people.WAYS)
    chips = page.locator(".stMarkdownBadge")
    inside = chips.evaluate_all("all => all.every(c => c.getBoundingClientRect().right <= 390)")
    assert inside
    assert page.get_by_text("Linear 50%").count() >= 2


def test_a_patient_s_journey_is_found_and_fits_a_phone(context: BrowserContext, address: str):
    """The number goes to the server once, in answer to the button, and never comes back."""
    page = context.new_page()
    page.elsewhere, page.blocked, sent, received = [], [], [], []
    page.on("request", lambda request: _note(page, request.url, address))
    page.on("console", lambda said: _note_policy(page, said.text))

    def listen(socket):
        socket.on(
            "framesent",
            lambda frame: sent.append(bytes(frame, "utf-8") if isinstance(frame, str) else frame),
        )
        socket.on("framereceived", lambda frame: received.append(frame))

    page.on("websocket", listen)
    page.goto(f"{address}/patient-journey")
    number = page.get_by_role("textbox", name="Number", exact=True)
    expect(number).to_be_visible(timeout=PATIENCE_MS)
    assert number.get_attribute("autocomplete") == "off"
    number.fill(made_up_people.RECORD_NUMBER)
    page.get_by_role("combobox", name="Reason").click()
    page.get_by_role("option", name="Treatment").click()
    page.get_by_role("button", name="Open the journey").click()
    expect(page.get_by_text("What comes next", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Visits").click()
    expect(page.get_by_text("Paid", exact=False)).to_have_count(0)
    expect(page.get_by_text("Kept visit").first).to_be_visible()
    told = made_up_people.RECORD_NUMBER.encode()
    assert len([frame for frame in sent if told in frame]) == 1
    assert not [frame for frame in received if told in frame]
    assert made_up_people.RECORD_NUMBER not in page.url
    assert (page.elsewhere, page.blocked) == ([], [])
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(
        "() => { const m = document.querySelector('[data-testid=stMain]');"
        " return m.clientWidth <= 390 && m.scrollWidth <= m.clientWidth }",
        timeout=PATIENCE_MS,
    )
    page.close()


def test_the_policy_stops_a_request_elsewhere(open_page: OPEN):
    page = open_page("overview")
    answered = page.evaluate(
        "fetch('http://evil.example/').then(() => 'answered').catch(() => 'stopped')"
    )
    assert answered == "stopped"
    assert any("evil.example" in text for text in page.blocked)


def test_figures_wear_the_dark_theme_s_palette(look_at: OPEN):
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    palette = config["theme"]["dark"]["chartCategoricalColors"]
    page = look_at("channels", theme="dark")
    bar = page.locator(".barlayer .point path").first
    expect(bar).to_be_visible(timeout=PATIENCE_MS)
    fill = bar.evaluate("bar => getComputedStyle(bar).fill")
    red, green, blue = (int(palette[0][i : i + 2], 16) for i in (1, 3, 5))
    assert fill == f"rgb({red}, {green}, {blue})"


# The contrast of each text with what is behind it, see-through colours and parents included.
CONTRAST = """selector => {
    const light = rgb => {
        const part = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        const [r, g, b] = rgb.map(v => part(v / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const ground = element => {
        for (let each = element; each; each = each.parentElement) {
            const [r, g, b, alpha = 1] = numbers(getComputedStyle(each).backgroundColor);
            if (alpha === 1) return [r, g, b];
        }
        return [255, 255, 255];
    };
    return [...document.querySelectorAll(selector)].filter(e => e.textContent.trim()).map(e => {
        const style = getComputedStyle(e);
        const drawn = e instanceof SVGElement;
        const [r, g, b, alpha = 1] = numbers(drawn ? style.fill : style.color);
        let seen = alpha * (drawn ? Number(style.fillOpacity) : 1);
        for (let each = e; each; each = each.parentElement) {
            seen *= Number(getComputedStyle(each).opacity);
        }
        const behind = ground(e);
        const mixed = [r, g, b].map((v, i) => v * seen + behind[i] * (1 - seen));
        const [dark, bright] = [light(mixed), light(behind)].sort((x, y) => x - y);
        return (bright + 0.05) / (dark + 0.05);
    });
}"""


@pytest.mark.parametrize(
    ("path", "theme"),
    [
        ("attribution", "light"),
        ("attribution", "dark"),
        ("channels", "light"),
        ("overview", "light"),
    ],
)
def test_what_is_written_can_be_read(look_at: OPEN, path: str, theme: str):
    page = look_at(path, theme=theme)
    page.wait_for_load_state("networkidle")
    expect(page.locator(".xtick text").first).to_be_visible(timeout=PATIENCE_MS)
    for selector in (".js-plotly-plot text", "[data-testid=stCaptionContainer] p"):
        contrasts = page.evaluate(CONTRAST, selector)
        assert contrasts
        assert min(contrasts) >= 4.5, selector


def test_the_attribution_page_shows_how_sure_it_is(look_at: OPEN):
    page = look_at("attribution")
    expect(page.get_by_text("cannot be told apart")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("How sure each model's credit is")).to_be_visible()
    expect(page.get_by_text("What follows a channel on the way to booked visits")).to_be_visible()
    # The names of a cell's row and column, which are told by their places, are in its hover.
    page.set_viewport_size({"width": 1440, "height": 5000})
    page.wait_for_load_state("networkidle")
    cell = page.locator(".heatmap-label").first
    said = page.locator(".hoverlayer .hovertext").first
    for _ in range(20):  # a figure is drawn again when the page has found its size
        expect(cell).to_be_visible(timeout=PATIENCE_MS)
        at = cell.bounding_box()
        if at:
            page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
        page.wait_for_timeout(250)
        if said.is_visible():
            break
        page.mouse.move(5, 5)
    expect(said).to_contain_text(
        re.compile(r"^[A-Z][a-z ]+ earns more than [A-Z][A-Za-z ]+(<1%|\d+%|>99%) of the time$"),
        timeout=PATIENCE_MS,
    )


def test_a_choice_can_be_shared_by_its_address(open_page: OPEN):
    page = open_page("overview?period=26w&service=cardiology")
    expect(page.get_by_test_id("stSidebar")).to_contain_text("26 weeks")
    page.get_by_test_id("stSidebarNav").get_by_text("Channels").click()
    expect(page.locator("h1")).to_have_text("Channels", timeout=PATIENCE_MS)
    expect(page.get_by_test_id("stSidebar")).to_contain_text("26 weeks")
    expect(page).to_have_url(re.compile("service=cardiology"), timeout=PATIENCE_MS)
    assert "period=26w" in page.url


def test_sends_are_held_and_released_with_a_second_click(look_at: OPEN):
    page = look_at("data-health")
    page.get_by_role("button", name="Hold sends").click()
    hold = page.get_by_role("button", name="Hold them")
    expect(hold).to_be_disabled()  # nobody says why
    page.get_by_role("textbox", name="Why").fill("numbers look wrong")
    page.get_by_role("textbox", name="Why").press("Tab")
    expect(hold).to_be_enabled(timeout=PATIENCE_MS)
    hold.click()
    expect(page.get_by_text("numbers look wrong")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Release sends").click()
    page.get_by_role("button", name="Release them").click()
    expect(page.get_by_text("Sends go out again.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("numbers look wrong")).to_be_hidden()
    page.get_by_role("button", name="Go back").click()
    expect(page.get_by_text("No earlier generation is kept.")).to_be_visible(timeout=PATIENCE_MS)
    page.keyboard.press("Escape")


def test_the_page_s_numbers_can_be_downloaded(open_page: OPEN):
    page = open_page("channels?period=4w")
    expect(page.get_by_test_id("stStatusWidget")).to_be_hidden(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Export").click()
    with page.expect_download(timeout=PATIENCE_MS) as begun:
        page.get_by_role("button", name="CSV").click()
    download = begun.value
    assert re.fullmatch(
        r"channels-2026-10-26-2026-11-16-[0-9a-f]{8}\.csv", download.suggested_filename
    )
    rows = list(csv.DictReader(download.path().read_text(encoding="utf-8-sig").splitlines()))
    spend = made_up.tables()["spend"].query("currency == 'USD'")
    recent = spend[spend["week"] >= made_up.weeks()[-4]]["spend_micros"].sum() / 1e6
    assert sum(float(row["spend"]) for row in rows) == pytest.approx(recent)
