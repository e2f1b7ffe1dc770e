"""Numbers of the page Reports."""

from attribution.metrics.definition import Definition

SENDING = (
    Definition(
        "reports_planned",
        "Reports planned",
        "Reports that are sent by themselves, from caretrace.toml and from this page.",
        "",
        "count",
        "neither",
    ),
    Definition(
        "reports_sent",
        "Sent",
        "Reports that reached everybody who was to get them, of the last four weeks.",
        "Each period of each report counts once.",
        "count",
    ),
    Definition(
        "reports_held",
        "Held now",
        "Reports that are due and wait: for a late source, for the mail server, or for somebody.",
        "",
        "count",
        "down",
    ),
    Definition(
        "reports_failed",
        "Failed",
        "Reports of which somebody got none, or may have got none, of the last four weeks.",
        "",
        "count",
        "down",
    ),
)
