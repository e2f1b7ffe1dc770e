"""Every combination of some values, a row each."""

import pandas as pd


def grid(**dimensions: object) -> pd.DataFrame:
    """A column for each dimension, in the order of its values."""
    index = pd.MultiIndex.from_product(list(dimensions.values()), names=list(dimensions))
    return index.to_frame(index=False)
