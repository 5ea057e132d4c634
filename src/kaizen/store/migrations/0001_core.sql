-- Times are Unix milliseconds (UTC), money is an integer: `_pusd` pico-USD, `_usd_e6` micro-USD. NULL is unknown, never 0.

CREATE TABLE clock (
  id            INTEGER PRIMARY KEY CHECK (id = 1),
  rev           INTEGER NOT NULL,         -- number of the last write transaction: the change feed
  next_event_id INTEGER NOT NULL          -- ids are never used twice, so the search index can trust them
) STRICT;
INSERT INTO clock VALUES (1, 0, 1);

CREATE TABLE workspaces (
  id    INTEGER PRIMARY KEY,
  path  TEXT NOT NULL UNIQUE,             -- as the agent wrote it; '' is "unknown"
  root  TEXT NOT NULL,                    -- repository root it belongs to, when that could be found; else = path
  name  TEXT NOT NULL                     -- last segment of root
) STRICT;

CREATE TABLE sessions (
  id                   INTEGER PRIMARY KEY,
  agent                TEXT NOT NULL,
  host_id              TEXT NOT NULL,     -- the id the agent itself uses; what people type
  workspace_id         INTEGER REFERENCES workspaces (id),
  model                TEXT,              -- of the last request
  branch               TEXT,
  start_commit         TEXT,
  parent_host_id       TEXT,
  relation             TEXT CHECK (relation IN ('subagent', 'fork')),
  parent_call_id       TEXT,
  label                TEXT,
  agent_version        TEXT,
  title                TEXT,              -- the host's, else the first prompt's first line
  title_is_hosts       INTEGER NOT NULL DEFAULT 0,
  trace_path           TEXT NOT NULL DEFAULT '',
  origin_ms            INTEGER,           -- first time seen in its file; decides who owns a request that two files show
  started_at_ms        INTEGER,
  ended_at_ms          INTEGER,           -- time of the newest event
  status               TEXT NOT NULL DEFAULT 'done',   -- running | waiting | idle | done, as of ended_at_ms
  status_reason        TEXT,
  next_seq             INTEGER NOT NULL DEFAULT 0,
  events               INTEGER NOT NULL DEFAULT 0,
  prompts              INTEGER NOT NULL DEFAULT 0,
  tool_calls           INTEGER NOT NULL DEFAULT 0,
  errors               INTEGER NOT NULL DEFAULT 0,
  rev                  INTEGER NOT NULL,
  UNIQUE (agent, host_id)
) STRICT;
CREATE INDEX sessions_by_time ON sessions (started_at_ms, id);
CREATE INDEX sessions_by_workspace ON sessions (workspace_id, started_at_ms, id);
CREATE INDEX sessions_by_parent ON sessions (parent_host_id) WHERE parent_host_id IS NOT NULL;
CREATE INDEX sessions_by_rev ON sessions (rev);

CREATE TABLE files (
  id           INTEGER PRIMARY KEY,
  source       TEXT NOT NULL,
  path         TEXT NOT NULL UNIQUE,
  dev          INTEGER NOT NULL,
  inode        INTEGER NOT NULL,
  size         INTEGER NOT NULL,
  mtime_ns     INTEGER NOT NULL,
  offset       INTEGER NOT NULL,          -- everything before it is in the store
  rest         INTEGER NOT NULL DEFAULT 0, -- bytes after `offset` (a last line without newline) already dealt with
  gone_at_ms   INTEGER,
  head_hash    BLOB,
  tail_hash    BLOB,
  -- Long ones last: what decides whether a file changed must be read without them.
  ledger       BLOB NOT NULL,             -- what became of each byte: capture/ledger.py
  state        BLOB                       -- the parser's and the tailer's, after `offset`
) STRICT;
-- Every command asks which files changed: answered without touching the rows, which are spread over the database.
CREATE INDEX file_stamps ON files (path, id, dev, inode, size, mtime_ns, offset, rest, gone_at_ms);

CREATE TABLE events (
  id                    INTEGER PRIMARY KEY,
  session_id            INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  seq                   INTEGER NOT NULL,
  agent                 TEXT NOT NULL,
  key                   TEXT NOT NULL,
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
  UNIQUE (agent, key),
  UNIQUE (session_id, seq)
) STRICT;
CREATE INDEX events_by_rev ON events (rev);
CREATE INDEX costs ON events (session_id, ts_ms) WHERE kind = 'cost';

-- The trimmed payload: codec 0 = JSON, 1 = zstd of JSON.
CREATE TABLE bodies (
  event_id INTEGER PRIMARY KEY REFERENCES events (id) ON DELETE CASCADE,
  codec    INTEGER NOT NULL,
  body     BLOB NOT NULL
) STRICT;

-- Every record that described a request, also the ones that lost: `explain cost` shows them.
CREATE TABLE sightings (
  event_id      INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
  file_id       INTEGER NOT NULL,
  file_offset   INTEGER NOT NULL,
  output_tokens INTEGER,
  PRIMARY KEY (event_id, file_id, file_offset)
) STRICT, WITHOUT ROWID;

-- Roll-ups of counted requests, kept by ingest in the same transaction (docs/adr/0003). Quarter hours, because every
-- time zone in use is a whole number of them away from UTC.
CREATE TABLE usage_by_quarter (
  quarter               INTEGER NOT NULL,         -- ts_ms / 900000
  workspace_id          INTEGER NOT NULL,         -- 0 = unknown
  agent                 TEXT NOT NULL,
  model                 TEXT NOT NULL,            -- '' = unknown
  requests              INTEGER NOT NULL,
  input_tokens          INTEGER NOT NULL,
  output_tokens         INTEGER NOT NULL,
  reasoning_tokens      INTEGER NOT NULL,
  cache_read_tokens     INTEGER NOT NULL,
  cache_write_tokens    INTEGER NOT NULL,
  cache_write_1h_tokens INTEGER NOT NULL,
  cost_pusd             INTEGER NOT NULL,         -- of the priced ones
  unpriced_requests     INTEGER NOT NULL,
  PRIMARY KEY (quarter, workspace_id, agent, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_by_session (
  session_id            INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  model                 TEXT NOT NULL,
  requests              INTEGER NOT NULL,
  input_tokens          INTEGER NOT NULL,
  output_tokens         INTEGER NOT NULL,
  reasoning_tokens      INTEGER NOT NULL,
  cache_read_tokens     INTEGER NOT NULL,
  cache_write_tokens    INTEGER NOT NULL,
  cache_write_1h_tokens INTEGER NOT NULL,
  cost_pusd             INTEGER NOT NULL,
  unpriced_requests     INTEGER NOT NULL,
  PRIMARY KEY (session_id, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE folds (
  session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  name       TEXT NOT NULL,
  version    INTEGER NOT NULL,
  upto_seq   INTEGER NOT NULL,
  state      BLOB NOT NULL,
  PRIMARY KEY (session_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE spans (
  session_id         INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  seq                INTEGER NOT NULL,            -- of the call, else of the result that has no call
  turn               INTEGER NOT NULL,
  parallel_group     INTEGER NOT NULL,            -- seq of the first call of the same request
  tool               TEXT,
  call_id            TEXT,
  request            TEXT,
  status             TEXT NOT NULL,               -- ok | error | denied | interrupted | open | lost
  status_reason      TEXT,
  started_at_ms      INTEGER,
  ended_at_ms        INTEGER,
  lead_time_ms       INTEGER,                     -- only when both clocks are exact
  exit_code          INTEGER,
  rev                INTEGER NOT NULL,
  PRIMARY KEY (session_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE turns (
  session_id    INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  turn          INTEGER NOT NULL,                 -- 0 = before the first prompt
  prompt_seq    INTEGER,
  started_at_ms INTEGER NOT NULL,
  ended_at_ms   INTEGER NOT NULL,
  tool_calls    INTEGER NOT NULL,
  errors        INTEGER NOT NULL,
  PRIMARY KEY (session_id, turn)
) STRICT, WITHOUT ROWID;

CREATE TABLE files_touched (
  session_id    INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  path          TEXT NOT NULL,                    -- relative to the workspace, POSIX; absolute when outside
  op            TEXT NOT NULL,                    -- read | write | create | delete | search | list | run
  is_outside    INTEGER NOT NULL,
  is_guess      INTEGER NOT NULL,
  times         INTEGER NOT NULL,
  added_lines   INTEGER,
  removed_lines INTEGER,
  first_ms      INTEGER NOT NULL,
  last_ms       INTEGER NOT NULL,
  PRIMARY KEY (session_id, path, op)
) STRICT, WITHOUT ROWID;

CREATE TABLE guidance_used (
  session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  kind       TEXT NOT NULL,                       -- skill | rule | command
  name       TEXT NOT NULL,
  scope      TEXT NOT NULL,                       -- project | user
  how        TEXT NOT NULL,                       -- loaded | mentioned
  times      INTEGER NOT NULL,
  first_ms   INTEGER NOT NULL,
  PRIMARY KEY (session_id, kind, name, scope, how)
) STRICT, WITHOUT ROWID;

-- Spans counted by tool, so that a summary of all time need not read them (docs/adr/0003).
CREATE TABLE tools_used (
  session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  tool       TEXT NOT NULL,
  calls      INTEGER NOT NULL,
  errors     INTEGER NOT NULL,
  denied     INTEGER NOT NULL,
  PRIMARY KEY (session_id, tool)
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (k TEXT PRIMARY KEY, v TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('store_id', lower(hex(randomblob(16))));
