"""The search language: text -> tree (`parse`), tree -> FTS5 and SQL (`fts`), and what a hit looks like (`snippet`)."""
