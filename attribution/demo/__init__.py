"""A simulated health system whose channels' true effects are known."""

from attribution.demo.config import config_toml
from attribution.demo.knobs import Knobs
from attribution.demo.simulation import Summary, prepare, simulate
from attribution.demo.tables import tables_of
from attribution.demo.worlds import World, world

__all__ = ["Knobs", "Summary", "World", "config_toml", "prepare", "simulate", "tables_of", "world"]
