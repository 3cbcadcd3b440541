"""The kernel's metrics. No tenant labels: their number is not bounded, and who is busy is nobody else's business."""

from riveredge_sdk.metrics import counter, gauge, histogram

REQUEST_SECONDS = histogram(
    "http_request_seconds",
    "Time to answer a request.",
    ["operation", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
REQUESTS_UNDER_WAY = gauge("http_requests_under_way", "Requests that are being answered.")
PASSWORD_HASHES = counter("password_hashes", "Passwords hashed, to set or to compare.")
SYSTEM_SESSIONS = counter("system_sessions", "Uses of the cross-tenant hatch.", ["reason"])
RAW_STATEMENTS = counter("raw_statements", "Hand-written SQL let through the tenant wall.")
OUTBOX_SENT = counter("outbox_sent", "Events handed to Inngest.", ["outcome"])
FUNCTION_CALLS = counter("function_calls", "Calls that Inngest made to durable functions.", ["function", "outcome"])
RUNS = counter("runs_ended", "Ended runs of durable functions.", ["function", "status"])
RUNS_RECONCILED = counter("runs_reconciled", "Runs whose end was learnt by asking the engine.", ["status"])
RUN_SECONDS = histogram(
    "run_seconds",
    "Time from a run's start to its end.",
    ["function"],
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 86400),
)
TIMERS_CLAIMED = counter("timers_claimed", "Due rows claimed by the tick.", ["source"])
TIMERS_MENDED = counter("timers_mended", "Due rows that got lost on the way and were put right.", ["source"])
TIMER_SOURCE_ERRORS = counter("timer_source_errors", "Failures of sources of due rows.", ["source"])
TIMER_LATENESS = histogram(
    "timer_lateness_seconds",
    "From a timer's due time to the start of its first function.",
    ["event"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600),
)
FIRE_LATENESS = histogram(
    "fire_lateness_seconds",
    "From the due time of a source's fires to the start of their execution, one observation for each event.",
    ["source"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600),
)
STREAM_CONNECTIONS = gauge("stream_connections", "Open connections of the live stream.")
STREAM_MESSAGES = counter("stream_messages", "Pushes handed to connections of the live stream.")
STREAM_GAPS = counter("stream_gaps", "Times that a client was told to fetch anew, because it missed pushes.")
