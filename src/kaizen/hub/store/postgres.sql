-- Every key is led by the team. Hashes of sessions are numbers (`stream`) wherever they repeat.
CREATE TABLE IF NOT EXISTS meta(name text PRIMARY KEY, value bytea NOT NULL);
CREATE TABLE IF NOT EXISTS teams(team_id text PRIMARY KEY, created_ms bigint NOT NULL, settings bytea NOT NULL);
CREATE TABLE IF NOT EXISTS tokens(
  team_id text NOT NULL, token_id text NOT NULL, hash bytea NOT NULL UNIQUE, scopes text NOT NULL, label text NOT NULL,
  created_ms bigint NOT NULL, revoked_ms bigint, PRIMARY KEY(team_id, token_id));
CREATE TABLE IF NOT EXISTS workspaces(
  team_id text, hash text, project_name text, repo_hash text, salt_id text, PRIMARY KEY(team_id, hash));
CREATE TABLE IF NOT EXISTS streams(
  team_id text, workspace text, session text, stream bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY(team_id, workspace, session));
CREATE UNIQUE INDEX IF NOT EXISTS streams_number ON streams(team_id, stream);
CREATE INDEX IF NOT EXISTS streams_session ON streams(team_id, session);
-- What is known of each event; its time says in which partition it is.
CREATE TABLE IF NOT EXISTS event_keys(
  team_id text, stream bigint, seq bigint, ts_ms bigint NOT NULL, rev bigint NOT NULL, digest bytea NOT NULL,
  PRIMARY KEY(team_id, stream, seq));
CREATE SEQUENCE IF NOT EXISTS event_ids;
CREATE TABLE IF NOT EXISTS events(
  team_id text NOT NULL, ts_ms bigint NOT NULL, id bigint NOT NULL DEFAULT nextval('event_ids'), stream bigint NOT NULL,
  seq bigint NOT NULL, received_ms bigint NOT NULL, is_counted boolean NOT NULL, agent text, model text, kind text,
  tokens_in bigint, tokens_out bigint, reasoning bigint, cache_read bigint, cache_write bigint, cache_write_1h bigint,
  cost_pusd bigint, body bytea NOT NULL, PRIMARY KEY(team_id, ts_ms, id)) PARTITION BY RANGE (ts_ms);
-- Days too far back to be worth a partition.
CREATE TABLE IF NOT EXISTS events_other PARTITION OF events DEFAULT;
CREATE INDEX IF NOT EXISTS events_feed ON events(team_id, id);
CREATE INDEX IF NOT EXISTS events_counted ON events(team_id, ts_ms) INCLUDE (
  stream, agent, model, tokens_in, tokens_out, reasoning, cache_read, cache_write, cache_write_1h, cost_pusd)
  WHERE is_counted;
CREATE TABLE IF NOT EXISTS items(
  team_id text, workspace text, kind text, key text, id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  session text NOT NULL, ts_ms bigint NOT NULL, received_ms bigint NOT NULL, rev bigint NOT NULL, rank bigint NOT NULL,
  digest bytea NOT NULL, chunk_total bigint, body bytea NOT NULL, PRIMARY KEY(team_id, workspace, kind, key));
CREATE INDEX IF NOT EXISTS items_time ON items(team_id, kind, ts_ms, id);
CREATE INDEX IF NOT EXISTS items_session ON items(team_id, session);
CREATE TABLE IF NOT EXISTS answers(
  team_id text, path text, key text, digest bytea NOT NULL, response bytea NOT NULL, created_ms bigint NOT NULL,
  PRIMARY KEY(team_id, path, key));
CREATE TABLE IF NOT EXISTS tombstones(
  team_id text, what text, name text, created_ms bigint NOT NULL, PRIMARY KEY(team_id, what, name));
-- Token buckets. Not in the log of the database: after a crash all are full, and no request waits for a disk.
CREATE UNLOGGED TABLE IF NOT EXISTS buckets(
  name text PRIMARY KEY, tokens float8 NOT NULL, at_ms float8 NOT NULL) WITH (fillfactor = 50);
