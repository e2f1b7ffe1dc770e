"""Everything that thinks: identity, transform, credit, reports, the pages' frame."""
