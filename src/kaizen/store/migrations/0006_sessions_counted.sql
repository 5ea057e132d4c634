-- Counting sessions by agent and model reads this instead of the table, which is 20 times as large.
CREATE INDEX sessions_counted ON sessions (
  agent, model, events, parent_host_id, prompts, tool_calls, errors, workspace_id, started_at_ms, ended_at_ms
);
