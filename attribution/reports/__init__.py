"""Reports: files that administrators take away, with the same numbers as the pages."""
