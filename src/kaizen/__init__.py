"""Kaizen: local-first observability for coding agents."""

__version__ = "0.1.0"
