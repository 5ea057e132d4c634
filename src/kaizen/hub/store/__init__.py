"""Where a hub keeps what it accepted: one protocol, a file per team or a PostgreSQL database."""
