"""The two ends of a long order: what a figure with room for a few rows draws of it."""

import pandas as pd


def extremes(ordered: pd.DataFrame, most: int) -> pd.DataFrame:
    """The first and the last rows, `most` in all; everything where there are no more."""
    if len(ordered) <= most:
        return ordered
    last = most // 2
    return pd.concat([ordered.head(most - last), ordered.tail(last)])


def left_out(ordered: pd.DataFrame, drawn: pd.DataFrame) -> str:
    """A sentence on how many rows between the two ends are not drawn; nothing where none is."""
    between = len(ordered) - len(drawn)
    if not between:
        return ""
    are = "is" if between == 1 else "are"
    return f" Drawn are the best and the worst of {len(ordered)}; {between} between them {are} not."
