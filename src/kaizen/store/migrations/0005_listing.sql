-- The last listing of all folders, see capture/listing.py: one row. Only ever a shortcut, its loss costs a listing.
CREATE TABLE listing (
  id   INTEGER PRIMARY KEY CHECK (id = 1),
  key  TEXT NOT NULL,                    -- of whose folders, by which rules
  body BLOB NOT NULL
) STRICT;
