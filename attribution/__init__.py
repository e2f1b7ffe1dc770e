"""Everything that thinks: identity, transform, credit, reports; pages and the command line call it."""
