"""Days beside each other, a row a source: where something is missing can be seen at once."""

from collections.abc import Sequence

from attribution.ui.charts.base import LAYOUT, SHADES, TEXT, Spec, axis_of_names, figure


def day_grid(
    rows: Sequence[str],
    days: Sequence[str],
    shades: Sequence[Sequence[float | None]],
    marks: Sequence[Sequence[str]],
    hovers: Sequence[Sequence[str]],
) -> Spec:
    """Cells shaded from 0 to 1, each with a mark; one without a shade stays empty.

    `days` are ISO days, `hovers` what is said of each cell.
    """
    trace = {
        "type": "heatmap",
        "x": list(days),
        "y": list(range(len(rows))),
        "z": [list(row) for row in shades],
        "text": [list(row) for row in marks],
        "texttemplate": "%{text}",
        "textfont": {"color": TEXT},
        "customdata": [list(row) for row in hovers],
        "hovertemplate": "%{customdata}<extra></extra>",
        "hoverongaps": True,
        "colorscale": SHADES,
        "zmin": 0,
        "zmax": 1.5,
        "showscale": False,
        "xgap": 1,
        "ygap": 2,
    }
    layout = {
        **LAYOUT,
        "height": 70 + 30 * len(rows),
        "xaxis": {
            "type": "date",
            "tickformat": "%-d %b",
            "nticks": 6,
            "showgrid": False,
            "fixedrange": True,
        },
        "yaxis": axis_of_names(rows),
    }
    return figure([trace], layout)
