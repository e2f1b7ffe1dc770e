"""The pages that show numbers, by their addresses, in the order of the menu."""

PAGES = {
    "overview": "Overview",
    "channels": "Channels",
    "attribution": "Attribution",
    "journeys": "Journeys",
    "reconcile": "Reconcile",
    "reactivation": "Reactivation",
    "cohorts": "Cohorts",
    "experience": "Experience",
    "engagement": "Engagement",
    "education": "Education",
    "forecast": "Forecast",
    "lift": "Lift",
    "budget": "Budget",
    "patient-journey": "Patient journey",
    "research": "Research",
    "data-health": "Data health",
    "reports": "Reports",
}


def title_of(page: str) -> str:
    """A page's title; its address in words where the page is not known here."""
    return PAGES.get(page, page.replace("-", " ").capitalize())
