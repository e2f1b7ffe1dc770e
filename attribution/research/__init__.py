"""De-identified research data: the cohort, what is generalised, how sure it is, and its files."""
