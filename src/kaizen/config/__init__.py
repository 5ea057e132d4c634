"""Settings: one struct tree (`model`) that is schema, documentation and defaults; where values come from (`load`)."""
