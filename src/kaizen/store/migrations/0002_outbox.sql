-- What waits to leave this machine, as the final bytes. An item is in exactly one of outbox, batches, dead (docs/adr).

CREATE TABLE envelopes (
  id   INTEGER PRIMARY KEY,
  body BLOB NOT NULL UNIQUE             -- JSON of wire.ingest.Envelope
) STRICT;

CREATE TABLE outbox (
  id          INTEGER PRIMARY KEY,
  kind        TEXT NOT NULL,
  envelope_id INTEGER NOT NULL REFERENCES envelopes (id),
  owner       TEXT NOT NULL,            -- local id of the session, workspace, ... it belongs to; never sent
  item_key    TEXT,                     -- a newer version replaces the one that waits; NULL: there is only one version
  payload     BLOB NOT NULL,            -- JSON of one item
  origin      BLOB,                     -- BLAKE3 of what it was made from, and what was left out: for the receipt
  enqueued_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_lanes ON outbox (kind, envelope_id, id);
CREATE UNIQUE INDEX outbox_items ON outbox (kind, item_key) WHERE item_key IS NOT NULL;

CREATE TABLE batches (
  id              TEXT PRIMARY KEY,     -- UUIDv7: the idempotency key
  kind            TEXT NOT NULL,
  envelope_id     INTEGER NOT NULL REFERENCES envelopes (id),
  items           BLOB NOT NULL,        -- msgpack of outbox.seal.Member, in the order of the body
  item_count      INTEGER NOT NULL,
  body            BLOB NOT NULL,        -- gzip of the exact body
  body_bytes      INTEGER NOT NULL,     -- of the body itself
  digest          BLOB NOT NULL,        -- BLAKE3 of the body itself
  sealed_ms       INTEGER NOT NULL,
  is_delivered    INTEGER NOT NULL DEFAULT 0,   -- the primary has it; kept only for sinks
  delivered_ms    INTEGER,
  attempts        INTEGER NOT NULL DEFAULT 0,
  last_attempt_ms INTEGER,
  next_attempt_ms INTEGER NOT NULL DEFAULT 0,
  delay_ms        INTEGER NOT NULL DEFAULT 0,
  last_status     INTEGER,
  last_error      TEXT,
  conflicts       INTEGER NOT NULL DEFAULT 0,   -- 409 answers that were no replay
  rekeyed         INTEGER NOT NULL DEFAULT 0,   -- times these items got a new key because a hub knew the old one
  server_errors   INTEGER NOT NULL DEFAULT 0,   -- 5xx answers in a row
  first_error_ms  INTEGER,
  accepted_before INTEGER                       -- the lane's `accepted` at the first attempt
) STRICT;
CREATE INDEX batches_by_lane ON batches (kind, is_delivered, id);

CREATE TABLE batch_sinks (
  batch_id        TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
  sink            TEXT NOT NULL,
  state           TEXT NOT NULL,        -- owed | done | abandoned
  attempts        INTEGER NOT NULL DEFAULT 0,
  next_attempt_ms INTEGER NOT NULL DEFAULT 0,
  delay_ms        INTEGER NOT NULL DEFAULT 0,
  last_error      TEXT,
  PRIMARY KEY (batch_id, sink)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead (
  id                INTEGER PRIMARY KEY,
  kind              TEXT NOT NULL,
  envelope_id       INTEGER NOT NULL REFERENCES envelopes (id),
  owner             TEXT NOT NULL,
  item_key          TEXT,
  payload           BLOB NOT NULL,
  origin            BLOB,
  reason            TEXT NOT NULL,
  http_status       INTEGER,
  detail            TEXT NOT NULL DEFAULT '',
  first_enqueued_ms INTEGER NOT NULL,
  died_ms           INTEGER NOT NULL,
  attempts          INTEGER NOT NULL
) STRICT;

-- One per kind; '' is what all of them share (credentials, rate limits, the endpoint itself).
CREATE TABLE lanes (
  kind              TEXT PRIMARY KEY,
  paused_until_ms   INTEGER,            -- by a decision; 9e15 = until somebody resumes it
  pause_reason      TEXT,
  learned_max_items INTEGER,
  learned_max_bytes INTEGER,
  accepted_in_row   INTEGER NOT NULL DEFAULT 0,
  failures          INTEGER NOT NULL DEFAULT 0,   -- in a row
  last_status       INTEGER,
  last_success_ms   INTEGER,
  last_error        TEXT,
  last_error_ms     INTEGER,
  -- counters for ever
  sealed            INTEGER NOT NULL DEFAULT 0,
  posted            INTEGER NOT NULL DEFAULT 0,
  accepted          INTEGER NOT NULL DEFAULT 0,
  replayed          INTEGER NOT NULL DEFAULT 0,
  retired           INTEGER NOT NULL DEFAULT 0,   -- items
  received          INTEGER NOT NULL DEFAULT 0,
  deduped           INTEGER NOT NULL DEFAULT 0,
  shortfalls        INTEGER NOT NULL DEFAULT 0,   -- answers that account for fewer items than were sent
  bisects           INTEGER NOT NULL DEFAULT 0,
  key_conflicts     INTEGER NOT NULL DEFAULT 0,
  died              INTEGER NOT NULL DEFAULT 0,
  bytes_raw         INTEGER NOT NULL DEFAULT 0,
  bytes_sent        INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE sink_totals (
  sink          TEXT PRIMARY KEY,
  done          INTEGER NOT NULL DEFAULT 0,       -- batches
  items         INTEGER NOT NULL DEFAULT 0,
  rejected      INTEGER NOT NULL DEFAULT 0,       -- items the sink refused for good
  abandoned     INTEGER NOT NULL DEFAULT 0,
  last_done_ms  INTEGER,
  last_error    TEXT,
  last_error_ms INTEGER
) STRICT, WITHOUT ROWID;

-- What was sent, provable later without keeping it.
CREATE TABLE receipts (
  batch_id     TEXT PRIMARY KEY,
  kind         TEXT NOT NULL,
  sent_ms      INTEGER NOT NULL,
  item_count   INTEGER NOT NULL,
  redaction    TEXT NOT NULL,                     -- level and schema version
  left_out     BLOB NOT NULL,                     -- JSON: rule or key -> times
  origin       BLOB NOT NULL,                     -- BLAKE3 over the origins of its items
  digest       BLOB NOT NULL                      -- BLAKE3 of the body that was sent
) STRICT, WITHOUT ROWID;

CREATE TABLE sync_state (k TEXT PRIMARY KEY, v TEXT NOT NULL) STRICT, WITHOUT ROWID;
