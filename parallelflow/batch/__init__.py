"""Many runs of whole workflows on the engines: rows of a table, points of an exploration."""
