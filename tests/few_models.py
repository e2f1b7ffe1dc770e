"""A refresh of few models, for tests of all that stands round them: loads, locks, kills, disks.

What a refresh goes on from is what was loaded, the vault and the ledger; every model is made of
those anew. So where models are not what is tested, these stand for all.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest
from warehouse_fixtures import MODELS_IN_ORDER, made_of

from attribution import transform, viewer_marts

# Of each layer one or more, and of each system of the small clinic.
FEW = ("spend", "conversions", "links")


def build_only(names: Iterable[str] = FEW) -> None:
    """From now on a refresh of this process builds these models, and what they are made of.

    It runs the checks of no other models, and tells viewers nothing.
    """
    few = made_of(names)
    left_out = {model.name for model in MODELS_IN_ORDER} - {model.name for model in few}
    checks = [check for check in transform.load_checks() if not left_out & {*check.inputs}]
    transform.load_models = lambda: few
    transform.load_checks = lambda: checks
    viewer_marts.write = lambda *_marts, **_how: None


@contextmanager
def few_models(names: Iterable[str] = FEW) -> Iterator[None]:
    """The same, until the end of the block."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in (
            (transform, "load_models"),
            (transform, "load_checks"),
            (viewer_marts, "write"),
        ):
            patch.setattr(owner, name, getattr(owner, name))
        build_only(names)
        yield
