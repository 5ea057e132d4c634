-- All time at a glance, whatever its length: sums of the roll-ups over all workspaces. `store/usage.py` keeps the first
-- two, triggers the others. A row may hold nothing but zeros.
CREATE TABLE usage_by_hour (
  hour                  INTEGER NOT NULL,         -- ts_ms / 3600000
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
  PRIMARY KEY (hour, agent, model)
) STRICT, WITHOUT ROWID;
INSERT INTO usage_by_hour
  SELECT quarter / 4, agent, model, sum(requests), sum(input_tokens), sum(output_tokens), sum(reasoning_tokens),
         sum(cache_read_tokens), sum(cache_write_tokens), sum(cache_write_1h_tokens), sum(cost_pusd),
         sum(unpriced_requests)
    FROM usage_by_quarter GROUP BY 1, 2, 3;

CREATE TABLE usage_total (
  agent                 TEXT NOT NULL,
  model                 TEXT NOT NULL,            -- '' = unknown
  requests              INTEGER NOT NULL,
  input_tokens          INTEGER NOT NULL,
  output_tokens         INTEGER NOT NULL,
  reasoning_tokens      INTEGER NOT NULL,
  cache_read_tokens     INTEGER NOT NULL,
  cache_write_tokens    INTEGER NOT NULL,
  cache_write_1h_tokens INTEGER NOT NULL,
  cost_pusd             INTEGER NOT NULL,
  unpriced_requests     INTEGER NOT NULL,
  PRIMARY KEY (agent, model)
) STRICT, WITHOUT ROWID;
INSERT INTO usage_total
  SELECT agent, model, sum(requests), sum(input_tokens), sum(output_tokens), sum(reasoning_tokens),
         sum(cache_read_tokens), sum(cache_write_tokens), sum(cache_write_1h_tokens), sum(cost_pusd),
         sum(unpriced_requests)
    FROM usage_by_hour GROUP BY 1, 2;

CREATE TABLE tools_total (
  tool   TEXT PRIMARY KEY,
  calls  INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  denied INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO tools_total SELECT tool, sum(calls), sum(errors), sum(denied) FROM tools_used GROUP BY 1;
DROP INDEX tools_counted;

CREATE TRIGGER tool_used AFTER INSERT ON tools_used BEGIN
  INSERT INTO tools_total VALUES (NEW.tool, NEW.calls, NEW.errors, NEW.denied)
    ON CONFLICT DO UPDATE SET calls = calls + NEW.calls, errors = errors + NEW.errors, denied = denied + NEW.denied;
END;
CREATE TRIGGER tool_used_again AFTER UPDATE ON tools_used BEGIN
  UPDATE tools_total SET calls = calls + NEW.calls - OLD.calls, errors = errors + NEW.errors - OLD.errors,
                         denied = denied + NEW.denied - OLD.denied
   WHERE tool = NEW.tool;
END;
CREATE TRIGGER tool_not_used AFTER DELETE ON tools_used BEGIN
  UPDATE tools_total SET calls = calls - OLD.calls, errors = errors - OLD.errors, denied = denied - OLD.denied
   WHERE tool = OLD.tool;
END;

-- Sessions that have events, by the model of their last request.
CREATE TABLE sessions_total (
  agent      TEXT NOT NULL,
  model      TEXT NOT NULL,                       -- '' = unknown
  sessions   INTEGER NOT NULL,
  roots      INTEGER NOT NULL,                    -- of these no subagents and no forks
  prompts    INTEGER NOT NULL,
  tool_calls INTEGER NOT NULL,
  errors     INTEGER NOT NULL,
  PRIMARY KEY (agent, model)
) STRICT, WITHOUT ROWID;
INSERT INTO sessions_total
  SELECT agent, ifnull(model, ''), count(*), sum(parent_host_id IS NULL), sum(prompts), sum(tool_calls), sum(errors)
    FROM sessions WHERE events > 0 GROUP BY 1, 2;

CREATE TRIGGER session_counted AFTER INSERT ON sessions WHEN NEW.events > 0 BEGIN
  INSERT INTO sessions_total
    VALUES (NEW.agent, ifnull(NEW.model, ''), 1, NEW.parent_host_id IS NULL, NEW.prompts, NEW.tool_calls, NEW.errors)
    ON CONFLICT DO UPDATE SET sessions = sessions + 1, roots = roots + excluded.roots,
      prompts = prompts + excluded.prompts, tool_calls = tool_calls + excluded.tool_calls,
      errors = errors + excluded.errors;
END;
CREATE TRIGGER session_counted_again AFTER UPDATE ON sessions BEGIN
  UPDATE sessions_total SET sessions = sessions - 1, roots = roots - (OLD.parent_host_id IS NULL),
      prompts = prompts - OLD.prompts, tool_calls = tool_calls - OLD.tool_calls, errors = errors - OLD.errors
   WHERE OLD.events > 0 AND agent = OLD.agent AND model = ifnull(OLD.model, '');
  INSERT INTO sessions_total
    SELECT NEW.agent, ifnull(NEW.model, ''), 1, NEW.parent_host_id IS NULL, NEW.prompts, NEW.tool_calls, NEW.errors
     WHERE NEW.events > 0
    ON CONFLICT DO UPDATE SET sessions = sessions + 1, roots = roots + excluded.roots,
      prompts = prompts + excluded.prompts, tool_calls = tool_calls + excluded.tool_calls,
      errors = errors + excluded.errors;
END;
