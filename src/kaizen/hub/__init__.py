"""The team server: the ingest contract over HTTP, two stores behind one protocol, and what a team reads from them."""
