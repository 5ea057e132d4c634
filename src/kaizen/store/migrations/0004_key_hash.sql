-- Keys are found by a number (docs/adr/0017). SQLite cannot drop the index of a UNIQUE, so the table is made again.
-- `key_hash` is a function of the connection that migrates.
CREATE TABLE events_4 (
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

INSERT INTO events_4 (key_hash,
  id, session_id, seq, agent, key, ts_ms, ts_exact, kind, role, tool, call_id, request, model, is_error,
  is_sidechain, latency_ms, stop_reason, duplicate_of, is_copy, input_tokens, output_tokens, reasoning_tokens,
  cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, web_search_requests, service_tier, speed,
  context_max_tokens, ttft_ms, retry_count, reported_cost_usd_e6, cost_pusd, cost_source, flag, file_id,
  file_offset, rev)
SELECT key_hash(kind, key, request),
  id, session_id, seq, agent, key, ts_ms, ts_exact, kind, role, tool, call_id, request, model, is_error,
  is_sidechain, latency_ms, stop_reason, duplicate_of, is_copy, input_tokens, output_tokens, reasoning_tokens,
  cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, web_search_requests, service_tier, speed,
  context_max_tokens, ttft_ms, retry_count, reported_cost_usd_e6, cost_pusd, cost_source, flag, file_id,
  file_offset, rev
  FROM events ORDER BY id;

DROP TABLE events;
ALTER TABLE events_4 RENAME TO events;
CREATE INDEX events_by_key ON events (key_hash);
CREATE INDEX events_by_rev ON events (rev);
CREATE INDEX costs ON events (session_id, ts_ms) WHERE kind = 'cost';
