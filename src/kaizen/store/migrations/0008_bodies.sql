-- An event says itself where its payload is: a row and a join less for most of them. Keys get the numbers that
-- `key_hash` gives now (docs/adr/0017).
CREATE TABLE events_8 (
  id                    INTEGER PRIMARY KEY,
  session_id            INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  seq                   INTEGER NOT NULL,
  agent                 TEXT NOT NULL,
  key                   TEXT NOT NULL,    -- unique per agent: ingest looks before it writes
  key_hash              INTEGER NOT NULL, -- store/key_hash.py
  ts_ms                 INTEGER NOT NULL,
  ts_exact              INTEGER NOT NULL,
  kind                  TEXT NOT NULL,
  role                  TEXT,
  tool                  TEXT,
  call_id               TEXT,
  request               TEXT,
  model                 TEXT,
  is_error              INTEGER,
  is_sidechain          INTEGER NOT NULL,
  latency_ms            INTEGER,
  stop_reason           TEXT,
  -- the payload is a part of a block; NULL = none, or deleted by `gc`
  body_block            INTEGER REFERENCES blocks (id),
  body_start            INTEGER,
  body_length           INTEGER,
  -- cost rows only
  duplicate_of          TEXT,             -- why this request is not counted: another key, or 'replay'; NULL = counted
  is_copy               INTEGER NOT NULL DEFAULT 0,
  input_tokens          INTEGER,
  output_tokens         INTEGER,
  reasoning_tokens      INTEGER,
  cache_read_tokens     INTEGER,
  cache_write_tokens    INTEGER,
  cache_write_1h_tokens INTEGER,
  web_search_requests   INTEGER,
  service_tier          TEXT,
  speed                 TEXT,
  context_max_tokens    INTEGER,
  ttft_ms               INTEGER,
  retry_count           INTEGER,
  reported_cost_usd_e6  INTEGER,
  cost_pusd             INTEGER,          -- NULL = unknown
  cost_source           TEXT,             -- reported | computed | unknown
  flag                  TEXT,
  file_id               INTEGER REFERENCES files (id),
  file_offset           INTEGER,
  rev                   INTEGER NOT NULL,
  UNIQUE (session_id, seq)
) STRICT;

INSERT INTO events_8 (key_hash, body_block, body_start, body_length,
  id, session_id, seq, agent, key, ts_ms, ts_exact, kind, role, tool, call_id, request, model, is_error,
  is_sidechain, latency_ms, stop_reason, duplicate_of, is_copy, input_tokens, output_tokens, reasoning_tokens,
  cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, web_search_requests, service_tier, speed,
  context_max_tokens, ttft_ms, retry_count, reported_cost_usd_e6, cost_pusd, cost_source, flag, file_id,
  file_offset, rev)
SELECT key_hash(kind, key, request), block_id, start, length,
  id, session_id, seq, agent, key, ts_ms, ts_exact, kind, role, tool, call_id, request, model, is_error,
  is_sidechain, latency_ms, stop_reason, duplicate_of, is_copy, input_tokens, output_tokens, reasoning_tokens,
  cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, web_search_requests, service_tier, speed,
  context_max_tokens, ttft_ms, retry_count, reported_cost_usd_e6, cost_pusd, cost_source, flag, file_id,
  file_offset, rev
  FROM events LEFT JOIN body_places ON event_id = id ORDER BY id;

DROP VIEW bodies;
DROP TABLE body_places;
DROP TABLE events;
ALTER TABLE events_8 RENAME TO events;
CREATE INDEX events_by_key ON events (key_hash);
CREATE INDEX events_by_rev ON events (rev);
CREATE INDEX costs ON events (session_id, ts_ms) WHERE kind = 'cost';
