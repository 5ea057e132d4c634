-- One file holds one team: its name is the first part of every key.
CREATE TABLE IF NOT EXISTS workspaces(
  id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, project_name TEXT, repo_hash TEXT, salt_id TEXT);
CREATE TABLE IF NOT EXISTS streams(
  id INTEGER PRIMARY KEY, workspace INTEGER NOT NULL, session TEXT NOT NULL, UNIQUE(workspace, session));
CREATE INDEX IF NOT EXISTS streams_session ON streams(session);
-- `id` grows with every version: live followers read on from the last one they saw.
CREATE TABLE IF NOT EXISTS events(
  id INTEGER PRIMARY KEY AUTOINCREMENT, stream INTEGER NOT NULL, seq INTEGER NOT NULL, ts_ms INTEGER NOT NULL,
  received_ms INTEGER NOT NULL, rev INTEGER NOT NULL, digest BLOB NOT NULL, is_counted INTEGER NOT NULL,
  agent TEXT, model TEXT, kind TEXT, tokens_in INTEGER, tokens_out INTEGER, reasoning INTEGER, cache_read INTEGER,
  cache_write INTEGER, cache_write_1h INTEGER, cost_pusd INTEGER, body BLOB NOT NULL, UNIQUE(stream, seq));
CREATE INDEX IF NOT EXISTS events_time ON events(ts_ms, id, stream);
-- All that totals are made of, so that they never read a body.
CREATE INDEX IF NOT EXISTS events_counted ON events(
  ts_ms, stream, agent, model, tokens_in, tokens_out, reasoning, cache_read, cache_write, cache_write_1h, cost_pusd,
  is_counted) WHERE is_counted;
CREATE TABLE IF NOT EXISTS items(
  id INTEGER PRIMARY KEY AUTOINCREMENT, workspace INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
  session TEXT NOT NULL, ts_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL, rev INTEGER NOT NULL,
  rank INTEGER NOT NULL, digest BLOB NOT NULL, body BLOB NOT NULL, UNIQUE(workspace, kind, key));
CREATE INDEX IF NOT EXISTS items_time ON items(kind, ts_ms, id);
CREATE INDEX IF NOT EXISTS items_session ON items(session);
CREATE TABLE IF NOT EXISTS answers(
  path TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, response BLOB NOT NULL, created_ms INTEGER NOT NULL,
  PRIMARY KEY(path, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tombstones(
  what TEXT NOT NULL, name TEXT NOT NULL, created_ms INTEGER NOT NULL, PRIMARY KEY(what, name)) WITHOUT ROWID;
