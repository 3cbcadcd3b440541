"""The tables. Instants are milliseconds since the Unix epoch, bodies are JSON text."""

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS apps (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, url TEXT NOT NULL, sdk TEXT NOT NULL, framework TEXT NOT NULL,
    checksum TEXT NOT NULL, synced_at BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS functions (
    id TEXT PRIMARY KEY, app_id TEXT NOT NULL, slug TEXT NOT NULL, config TEXT NOT NULL, version INTEGER NOT NULL,
    archived INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, external_id TEXT NOT NULL, ts BIGINT NOT NULL, received_at BIGINT NOT NULL,
    body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_name ON events (name, id);
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, function_id TEXT NOT NULL, function_version INTEGER NOT NULL, event_id TEXT NOT NULL,
    status TEXT NOT NULL, queued_at BIGINT NOT NULL, started_at BIGINT, ended_at BIGINT, output TEXT,
    keys TEXT NOT NULL, singleton TEXT, planned INTEGER NOT NULL DEFAULT 0, racing INTEGER NOT NULL DEFAULT 0,
    state_size INTEGER NOT NULL DEFAULT 0, batch INTEGER NOT NULL DEFAULT 0, invoked INTEGER NOT NULL DEFAULT 0,
    last_error TEXT);
CREATE INDEX IF NOT EXISTS runs_running ON runs (function_id, singleton) WHERE status = 'Running';
CREATE INDEX IF NOT EXISTS runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS run_events (
    event_id TEXT NOT NULL, run_id TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (event_id, run_id));
CREATE INDEX IF NOT EXISTS run_events_by_run ON run_events (run_id, position);
CREATE TABLE IF NOT EXISTS steps (
    run_id TEXT NOT NULL, hash TEXT NOT NULL, op TEXT NOT NULL, name TEXT NOT NULL, done INTEGER NOT NULL,
    position INTEGER, memo TEXT, at BIGINT NOT NULL, PRIMARY KEY (run_id, hash));
CREATE TABLE IF NOT EXISTS queue (
    id INTEGER PRIMARY KEY, job TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, due BIGINT NOT NULL, run_id TEXT NOT NULL,
    function_id TEXT NOT NULL, step TEXT NOT NULL, attempt INTEGER NOT NULL, payload TEXT);
CREATE INDEX IF NOT EXISTS queue_by_run ON queue (run_id);
CREATE TABLE IF NOT EXISTS pauses (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, run_id TEXT NOT NULL, step TEXT NOT NULL, event_name TEXT NOT NULL,
    condition TEXT, term_path TEXT NOT NULL, term_value TEXT NOT NULL, expires_at BIGINT NOT NULL);
CREATE INDEX IF NOT EXISTS pauses_by_event ON pauses (event_name, term_path, term_value);
CREATE INDEX IF NOT EXISTS pauses_by_run ON pauses (run_id);
CREATE TABLE IF NOT EXISTS once_keys (
    function_id TEXT NOT NULL, value TEXT NOT NULL, expires_at BIGINT NOT NULL, PRIMARY KEY (function_id, value));
CREATE INDEX IF NOT EXISTS once_keys_by_age ON once_keys (expires_at);
CREATE TABLE IF NOT EXISTS rates (
    kind TEXT NOT NULL, function_id TEXT NOT NULL, value TEXT NOT NULL, arrival DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (kind, function_id, value));
CREATE TABLE IF NOT EXISTS debounces (
    function_id TEXT NOT NULL, value TEXT NOT NULL, event_id TEXT NOT NULL, latest BIGINT NOT NULL,
    PRIMARY KEY (function_id, value));
CREATE TABLE IF NOT EXISTS cancellations (
    id TEXT PRIMARY KEY, function_id TEXT NOT NULL, since BIGINT NOT NULL, until BIGINT NOT NULL, condition TEXT,
    created_at BIGINT NOT NULL);
CREATE INDEX IF NOT EXISTS cancellations_by_function ON cancellations (function_id, until);
CREATE TABLE IF NOT EXISTS batches (
    id TEXT NOT NULL, position INTEGER NOT NULL, function_id TEXT NOT NULL, value TEXT NOT NULL, event_id TEXT NOT NULL,
    PRIMARY KEY (id, position));
CREATE INDEX IF NOT EXISTS batches_open ON batches (function_id, value);
"""
