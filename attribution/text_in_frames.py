"""How pandas keeps text in a process of ours."""

import pandas as pd


def as_objects() -> None:
    """Keep text as Python's own strings, column names among them.

    Arrow's are for long columns. Frames here are short, and pages cut, look up and walk through
    them by name hundreds of times, which takes a quarter more of the processor with Arrow's. It is
    said where a process begins: whoever calls us as a library keeps the pandas they set.
    """
    pd.set_option("mode.string_storage", "python")
