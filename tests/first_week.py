"""The clinic's home folder after its first refresh of every model, made once for all tests."""

import pickle
from pathlib import Path

import once
import pytest
from few_models import all_models
from servers.clinic import CONFIG, clinic
from servers.scripted import SCRIPTS

from attribution.paths import Home
from attribution.refresh import Outcome, refresh
from attribution.refresh_steps import Event
from attribution.settings import load
from connectors import SOURCES

TOKEN = "canary-token-77aa"  # what the settings say of the CRM in secret


def first_week() -> tuple[Home, Outcome, list[Event]]:
    """The home, to copy from and to leave as it is; how its refresh ended, and what it said."""
    folder = once.made("the first week of the clinic", _make)
    outcome, heard = pickle.loads((folder / "told").read_bytes())
    return Home(folder / "home"), outcome, heard


def _make(folder: Path) -> None:
    home = Home(folder / "home")
    home.folder.mkdir(mode=0o700)
    home.config.write_text(f"first_day = 2025-01-01\n{CONFIG}")
    heard: list[Event] = []
    with all_models(), pytest.MonkeyPatch.context() as patch:
        patch.setitem(SOURCES, "scripted", "servers.scripted")
        patch.setenv("CARETRACE_CRM_TOKEN", TOKEN)
        before = dict(SCRIPTS)
        clinic()
        outcome = refresh(load(home), heard.append)
        SCRIPTS.clear()
        SCRIPTS.update(before)
    (folder / "told").write_bytes(pickle.dumps((outcome, heard)))
