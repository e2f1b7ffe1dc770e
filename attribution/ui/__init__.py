"""The pages' frame: shell, views, charts, formats, filters and access."""
