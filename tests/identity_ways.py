"""Rows of many small worlds in one store, joined in memory and on an engine, and what each says."""

from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st
from identity_registry import DOOR, Registry, keys_of_a_row, records, row

from attribution import identity
from attribution.paths import Home
from attribution.raw import ensure_raw_tables, fetch, lent
from attribution.settings import IdentitySettings
from attribution.vault import open_vault

OTHER = replace(DOOR, patient_namespace="other", crm_namespace="other")
SPACES = {"emr": ("emr", "crm"), "second": ("other", "other")}
LIMITS = (
    IdentitySettings(),
    IdentitySettings(max_patients=2, max_contacts=2, max_emails=2, max_duplicates=1),
    IdentitySettings(tell_apart=False),
    IdentitySettings(max_contacts=3, max_duplicates=2),
)
# A world is a few rows that share a few keys; its keys are no other's, so many are one example.
worlds = st.lists(
    st.lists(st.one_of(keys_of_a_row.map(list), records), max_size=7), min_size=1, max_size=9
)
# A row of six: patient or contact, number, e-mail, phone, first name, birth year. Of five: what
# identity_registry's `row` says. What must have been refused by the end for each reason, and more.
HARD = [
    [[1, 1, 0, 1, 0, 0], [1, 2, 0, 1, 0, 0]],  # patients
    # Contacts; and two people whom nothing joins yet.
    [*([0, n, 1, 0, 0, 0] for n in (1, 2, 3, 4)), [1, 5, 5, 0, 0, 0], [0, 6, 0, 6, 0, 0]],
    [[1, 1, 1, 1, 0, 0], [0, 1, 2, 1, 0, 0]],  # emails
    [[1, 1, 1, 0, 1, 0], [0, 1, 1, 0, 2, 0]],  # names
    [[1, 1, 1, 0, 0, 0], [1, 2, 2, 0, 0, 0], [0, 1, 0, 1, 0], [0, 2, 0, 1, 0]],  # a chain
    [[0, n, 1, 1, 0, 0] for n in (1, 2, 3)],  # one person three times in the CRM
    [[1, 1, 1, 1, 1, 1], [1, 2, 1, 1, 2, 2], [0, 1, 1, 1, 3, 2], [0, 2, 0, 1, 0, 0]],  # a household
    [[1, 0, 0, 1, 2], [2, 1, 0, 2, 0], [0, 1, 1, 0, 0]],  # what systems say
    # Merged, until it is not said any more: the one known by more keeps the number.
    *[[[0, 1, 1, 1, 0, 0], [0, 2, 0, 0, 0, 0], [0, 0, 0, 1, 2]]] * 6,
]
AFTER = [
    [[0, 1, 1, 1, 0, 0]],
    [[0, 5, 6, 0, 0]],
    [[1, 2, 2, 2, 0, 0]],
    [[1, 3, 1, 0, 1, 0]],
    [[1, 2, 2, 0, 0, 0]],
]


def rows(told):
    """The rows of some worlds; of a record that comes twice, the later."""
    made = {}
    for place, world in enumerate(told):
        for n, keys in enumerate(world):
            shift = [key and key + 10 * place for key in keys]
            if len(keys) == 6:
                shift[0], *shift[4:] = keys[0], *keys[4:]
            made[tuple(shift[:2]) if len(keys) == 6 else (place, n, "row")] = shift
    return [row(n, keys) for n, keys in enumerate(made.values())]


class Both:
    """One store, joined both ways, each with a vault of its own."""

    def __init__(self, folder: Path, ways: tuple[str, ...] = ("memory", "engine")) -> None:
        self.folder, self.ways = folder, ways
        self.store = Registry(Home(folder), namespaces=SPACES)
        self.begin(LIMITS[0])

    def begin(self, limits: IdentitySettings) -> None:
        """Nobody is known any more, to the store or to the vaults."""
        self.store.limits = limits
        for table in ("touchpoint", "contact", "link", "person"):
            self.store.forget(table)
        for way in self.ways:
            (self.folder / way).mkdir(exist_ok=True)
            Home(self.folder / way).vault.unlink(missing_ok=True)

    def outcomes(self, run: str):
        """What each way writes, tells and keeps."""
        limits, found = self.store.limits, []
        with self.store.engine.begin() as connection:
            for way in self.ways:
                with open_vault(Home(self.folder / way)) as vault:
                    by = replace(limits, joined=way)
                    found.append(outcome(connection, vault, run, by))
        return found


def outcome(connection, vault, run, limits):
    """What one refresh writes, tells and keeps."""
    told = identity.resolve(connection, vault, run, limits, SPACES)
    kept = vault.read()
    return told, {
        "identity": sorted_rows(connection, "identity"),
        "shared": sorted_rows(connection, "identity_shared"),
        "changes": sorted_rows(connection, "identity_changes"),
        "vault": [kept.high.tolist(), kept.low.tolist(), kept.person.tolist()],
    }


def sorted_rows(connection, table):
    return sorted(map(tuple, fetch(connection, f"select * from {table}").to_pandas().to_numpy()))


def carry_all(store, server):
    """Put the raw tables that have rows into the server's."""
    with store.begin() as connection:
        ensure_raw_tables(server)
        for name in ("touchpoint", "contact", "link", "person"):
            server.exec_driver_sql(f"delete from raw_{name}")
            with lent(server, fetch(connection, f"select * from raw_{name}")) as incoming:
                server.exec_driver_sql(f"insert into raw_{name} select * from {incoming}")
