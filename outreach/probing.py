"""Probing: whether each way out that is in use answers, for the doctor."""

from collections.abc import Iterator

from attribution.errors import BadInput
from attribution.outreach_settings import outreach_settings
from attribution.settings import Settings
from outreach.opening import in_use, only_here, opened
from outreach.ways import CannotSend


def probes(settings: Settings) -> Iterator[tuple[str, bool, str]]:
    """Of each way in use: what it is called, whether it is fine, and a sentence."""
    told = outreach_settings(settings.home)
    if not told.enabled:
        return
    for name in in_use(told):
        try:
            if settings.demo:
                only_here(told, name)
            way = opened(settings.home, "", told, name)
            try:
                yield f"outreach by {name}", True, way.probe()
            finally:
                way.close()
        except (CannotSend, BadInput) as error:
            yield f"outreach by {name}", False, str(error)
