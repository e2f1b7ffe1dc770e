"""What every test may rely on: the code under test is ours, and nothing leaves this computer."""

import gc
import ipaddress
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import once
import pytest

import attribution
from attribution import text_in_frames
from attribution.paths import Home

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

# A package of the same name in site-packages would win over ours when run from elsewhere.
assert Path(attribution.__file__).is_relative_to(ROOT), f"not ours: {attribution.__file__}"


# As the refresh and the server do: rows by the million are no garbage, and what is imported and
# collected here is not looked through again after each run of a page.
gc.set_threshold(50_000, 20, 50)
text_in_frames.as_objects()


# Files that take longest begin first, so that no worker is left alone with one of them at the end.
LONG = (
    *("browser", "every_source", "kill", "sign_in", "postgresql", "refresh", "one_refresh"),
    *("engines", "credit_laws", "pages", "powerloss", "ways", "identity", "outreach", "demo"),
    *("identity_laws", "report_files", "custody", "ga4", "people", "journey_settings", "worlds"),
    *("cli", "app", "paths", "hubspot", "marts", "claims", "views", "warehouse", "attribute"),
    *("ads_loading", "incremental", "intervals", "audit", "coverage", "why"),
)


def pytest_configure(config: pytest.Config) -> None:
    """Let each worker of a whole run begin to read the tests at another file.

    In a fresh checkout nothing is compiled yet. Workers that went through the files side by side
    would each compile all of them; so each finds compiled what the others have read.
    """
    worker = getattr(config, "workerinput", None)
    if worker is None or [Path(arg).resolve() for arg in config.args] != [ROOT / "tests"]:
        return
    files = sorted(str(path) for path in (ROOT / "tests").glob("test_*.py"))
    first = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    config.args = files[first:] + files[:first]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests into the order that is the same for every worker."""
    places = {f"test_{name}": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: (places.get(item.path.stem, len(places)), item.path))


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """Fail any attempt to connect to another computer."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0]
            if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
                raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def _shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Say where the workers of this run keep what is made once."""
    own = tmp_path_factory.getbasetemp()
    once.SHARED[:] = [own.parent if hasattr(request.config, "workerinput") else own]


@pytest.fixture(autouse=True)
def _own_main() -> Iterator[None]:
    """Put the real `__main__` back: a page's test leaves the shell there, and a process that is
    started afterwards would run it.
    """
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a connector would have waited before it asked again; it waits for nothing."""
    asked: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=asked.append))
    return asked


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home folder that the command line and the pages find too."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("CARETRACE_HOME", str(folder))
    return Home(folder)
