"""Two things against each other: heat maps, matrices and flows."""

from collections.abc import Sequence

from attribution.ui import formats
from attribution.ui.charts.base import LAYOUT, SHADES, TEXT, Spec, axis_of_names, figure


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    shares: Sequence[Sequence[float | None]],
    hovers: Sequence[Sequence[str]],
    axis: str,
) -> Spec:
    """Shares as shaded cells, each with its number."""
    known = [share for row in shares for share in row if share is not None]
    trace = {
        "type": "heatmap",
        "x": list(columns),
        "y": list(range(len(rows))),
        "z": [list(row) for row in shares],
        "text": [[formats.rate(share) for share in row] for row in shares],
        "texttemplate": "%{text}",
        "textfont": {"color": TEXT},
        "customdata": [list(row) for row in hovers],
        "hovertemplate": "%{customdata}<extra></extra>",
        "colorscale": SHADES,
        "zmin": 0,
        "zmax": max(known, default=0) * 1.9 or 1,
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    layout = {
        **LAYOUT,
        "height": 80 + 40 * len(rows),
        "xaxis": {
            "type": "category",
            "side": "top",
            "fixedrange": True,
            "tickangle": 0,
            "title": {"text": axis, "standoff": 8},
        },
        "yaxis": axis_of_names(rows),
    }
    return figure([trace], layout)


def matrix(
    rows: Sequence[str],
    columns: Sequence[str],
    shades: Sequence[Sequence[float | None]],
    texts: Sequence[Sequence[str]],
    said: str,
    axis: str,
) -> Spec:
    """A square of shaded cells (0 to 1), each with its text; cells without a shade stay empty.

    `said` is the hover of a cell: `%{y}` in it is its row, `%{x}` its column, `%{text}` its text.
    Columns are named above, upright where there is no room to write them level, as on a phone.
    """
    trace = {
        "type": "heatmap",
        "x": list(range(len(columns))),
        "y": list(range(len(rows))),
        "z": [[None if shade is None else round(shade, 3) for shade in row] for row in shades],
        "text": [list(row) for row in texts],
        "texttemplate": "%{text}",
        "textfont": {"color": TEXT},
        "hovertemplate": f"{said}<extra></extra>",
        "hoverongaps": False,
        "colorscale": SHADES,
        "zmin": 0,
        # The darkest shades are left out: the number in a cell is written in the text's colour.
        "zmax": 1.9,
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    layout = {
        **LAYOUT,
        "height": 110 + 34 * len(rows),
        "xaxis": {
            "tickmode": "array",
            "tickvals": list(range(len(columns))),
            "ticktext": list(columns),
            # Names of two words stand apart also where there are eleven of them.
            "tickfont": {"size": 11},
            "side": "top",
            "autotickangles": [0, 90],
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
            # Clear of the longest upright name.
            "title": {"text": axis, "standoff": 16},
        },
        "yaxis": axis_of_names(rows),
    }
    return figure([trace], layout)


def flows(
    nodes: Sequence[tuple[str, str, int]], links: Sequence[tuple[int, int, float, str]]
) -> Spec:
    """A Sankey diagram: nodes are (name, colour, column), links (from, to, size, hover)."""
    trace = {
        "type": "sankey",
        "arrangement": "snap",
        "node": {
            "label": [label for label, _, _ in nodes],
            "color": [shade for _, shade, _ in nodes],
            "align": "justify",
            "pad": 14,
            "thickness": 14,
            "line": {"width": 0},
            "hovertemplate": "%{label}: %{value:,.0f} journeys<extra></extra>",
        },
        "link": {
            "source": [source for source, _, _, _ in links],
            "target": [target for _, target, _, _ in links],
            "value": [size for _, _, size, _ in links],
            "color": ["#000013" for _ in links],  # a pale colour of the sequential palette
            "line": {"color": "#000017", "width": 1},  # ways that cross can be told apart
            "customdata": [hover for _, _, _, hover in links],
            "hovertemplate": "%{customdata}<extra></extra>",
        },
        "textfont": {"color": TEXT, "size": 12},
    }
    most = max((sum(place == column for _, _, place in nodes) for column in range(3)), default=0)
    layout = {**LAYOUT, "height": 160 + 44 * most, "margin": {"l": 0, "r": 0, "t": 8, "b": 8}}
    return figure([trace], layout)
