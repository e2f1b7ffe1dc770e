"""The shell as Streamlit's own test runs it, without a server or a browser."""

from functools import cache
from pathlib import Path

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from attribution.paths import SHELL

# Every run of a test is a server of its own, which looks through all that is installed for
# components. A real server does that once.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


def app(file: Path = SHELL) -> AppTest:
    """The shell, or another file, which has a minute for each run."""
    return AppTest.from_file(str(file), default_timeout=60)
