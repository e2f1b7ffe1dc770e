"""The shell as Streamlit's own test runs it, without a server or a browser."""

from functools import cache
from pathlib import Path

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from attribution.paths import PAGES, SHELL

FILES = {
    "overview": "acquisition/overview.py",
    "channels": "acquisition/channels.py",
    "attribution": "acquisition/attribution.py",
    "journeys": "acquisition/journeys.py",
    "reconcile": "acquisition/reconcile.py",
    "reactivation": "retention/reactivation.py",
    "cohorts": "retention/cohorts.py",
    "engagement": "outreach/engagement.py",
    "education": "outreach/education.py",
    "experience": "retention/experience.py",
    "forecast": "planning/forecast.py",
    "lift": "planning/lift.py",
    "budget": "planning/budget.py",
    "patient-journey": "people/patient_journey.py",
    "research": "people/research.py",
    "data-health": "operations/data_health.py",
    "reports": "operations/reports.py",
    "definitions": "operations/definitions.py",
}

# Every run of a test is a server of its own, which looks through all that is installed for
# components. A real server does that once.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


def app(file: Path = SHELL) -> AppTest:
    """The shell, or another file, which has a minute for each run."""
    return AppTest.from_file(str(file), default_timeout=60)


def opened(page: str, **address: str | list[str]) -> AppTest:
    """One page as a reader would open it: `opened("channels", model="last")`."""
    at = app()
    for key, value in address.items():
        at.query_params[key] = value
    at.switch_page(str(PAGES / FILES[page])).run()
    assert not at.exception, at.exception
    return at
