"""Places whose pollen and air are watched: a name and where it lies."""

from dataclasses import dataclass

from connectors.errors import SourceMisconfigured
from connectors.source import Option

PLACES = Option("places", "Places to ask for: [[name, latitude, longitude], ...].")


@dataclass(frozen=True, slots=True)
class Place:
    """A clinic or a town; sources that name it alike speak of the same place."""

    name: str
    latitude: float
    longitude: float

    @property
    def key(self) -> str:
        """What its cursor is kept under: a place that moved is read anew."""
        return f"{self.name}@{self.latitude:g},{self.longitude:g}"


def places_of(source: str, given: object) -> tuple[Place, ...]:
    """The places of a setting; raises with the first that cannot be right."""
    if not isinstance(given, list | tuple) or not given:
        raise _wrong(source, "is no list with a place in it")
    found = []
    for number, each in enumerate(given, start=1):
        match each:
            case [str(name), int() | float() as latitude, int() | float() as longitude]:
                pass
            case _:
                raise _wrong(source, f"has no name, latitude and longitude in entry {number}")
        if not name.strip() or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            raise _wrong(source, f"has a place that is nowhere in entry {number}")
        found.append(Place(name.strip(), float(latitude), float(longitude)))
    if len({place.name for place in found}) < len(found):
        raise _wrong(source, "has one name twice")
    return tuple(found)


def _wrong(source: str, problem: str) -> SourceMisconfigured:
    return SourceMisconfigured(
        f"The setting places of source '{source}' {problem}; write it as "
        '[["North clinic", 45.52, -122.68]].'
    )
