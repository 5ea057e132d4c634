-- Where the events of a file are, so that a file that was rewritten costs as much as its sessions and not as all events.
-- A row may have outlived its events.
CREATE TABLE file_sessions (
  file_id    INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
  session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  PRIMARY KEY (file_id, session_id)
) STRICT, WITHOUT ROWID;
INSERT INTO file_sessions SELECT DISTINCT file_id, session_id FROM events WHERE file_id IS NOT NULL;
