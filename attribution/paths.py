"""Where things are: the code's own files, and the home folder with its parts."""

import os
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).resolve().parent
# In a wheel the files that are found by path travel inside the package.
ROOT = _HERE.parent if (_HERE.parent / "sql").is_dir() else _HERE / "_bundle"
APP = ROOT / "app.py"
SHELL = _HERE / "ui" / "shell.py"
PAGES = ROOT / "pages"
SQL = ROOT / "sql"


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds all data of one installation (`CARETRACE_HOME`, default ./var)."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "caretrace.toml"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets.toml"

    @property
    def key(self) -> Path:
        """The outer key, where neither the environment nor the secrets file holds it."""
        return self.folder / "key"

    @property
    def new_key(self) -> Path:
        """The outer key that takes over, while it does."""
        return self.folder / "key.new"

    @property
    def keyring(self) -> Path:
        return self.folder / "keyring"

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.sqlite"

    @property
    def audit_heads(self) -> Path:
        return self.folder / "audit.heads"

    @property
    def vault(self) -> Path:
        return self.folder / "vault.sqlite"

    @property
    def research(self) -> Path:
        """Who was in which research export, under keyed numbers: to compare the next one with."""
        return self.folder / "research"

    @property
    def reported(self) -> Path:
        """What reports said of each channel and week: to tell the next ones what was restated."""
        return self.folder / "reported"

    @property
    def contacts(self) -> Path:
        return self.folder / "contacts.sqlite"

    @property
    def outreach(self) -> Path:
        return self.folder / "outreach.sqlite"

    @property
    def generations(self) -> Path:
        return self.folder / "generations"

    @property
    def current(self) -> Path:
        return self.folder / "CURRENT"

    @property
    def lock(self) -> Path:
        return self.folder / "refresh.lock"

    @property
    def writable(self) -> bool:
        """Whether this user may write here, now."""
        return os.access(self.folder, os.W_OK | os.X_OK)

    def generation(self, number: int) -> Path:
        """The folder of one generation: private, people and marts databases."""
        return self.generations / f"{number:06d}"
