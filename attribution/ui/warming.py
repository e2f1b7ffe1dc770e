"""Builds what the first reader of a generation asks for, before they ask."""

import plotly.io  # noqa: F401  the figures' way to the browser, a second to import

from attribution import versions
from attribution.forecast_queries import Asked
from attribution.paths import Home
from attribution.ui import draw, filters  # noqa: F401
from attribution.ui.scope import scope_of
from attribution.ui.views.channels import channels
from attribution.ui.views.data_health import data_health
from attribution.ui.views.education import education
from attribution.ui.views.engagement import engagement
from attribution.ui.views.forecast import forecast
from attribution.ui.views.journeys import journeys
from attribution.ui.views.overview import overview
from attribution.ui.views.reactivation import reactivation
from attribution.warehouse import current_generation, holds_viewers


def warm(home: Home) -> None:
    """Build the default view of every page, where a generation of this version is published."""
    generation = current_generation(home)
    if generation is None or not versions.fits(home, generation):
        return
    for protected in (False, True)[: 1 + holds_viewers(home, generation)]:
        about, lines, places = filters.choices(home, generation, protected=protected)
        scope = scope_of(about, {}, service_lines=lines, locations=places)
        for view in (overview, channels, journeys, reactivation, engagement, education):
            view(home, generation, scope, protected=protected)
        forecast(home, generation, Asked(), protected=protected)
        data_health(home, generation, protected=protected)
