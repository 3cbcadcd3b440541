"""The kernel's metrics. No tenant labels: their number is not bounded, and who is busy is nobody else's business."""

from riveredge_sdk.metrics import counter, gauge, histogram

REQUEST_SECONDS = histogram(
    "http_request_seconds",
    "Time to answer a request.",
    ["operation", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
REQUESTS_UNDER_WAY = gauge("http_requests_under_way", "Requests that are being answered.")
SYSTEM_SESSIONS = counter("system_sessions", "Uses of the cross-tenant hatch.", ["reason"])
RAW_STATEMENTS = counter("raw_statements", "Hand-written SQL let through the tenant wall.")
OUTBOX_SENT = counter("outbox_sent", "Events handed to Inngest.", ["outcome"])
FUNCTION_CALLS = counter("function_calls", "Calls that Inngest made to durable functions.", ["function", "outcome"])
RUNS = counter("runs_ended", "Ended runs of durable functions.", ["function", "status"])
RUN_SECONDS = histogram(
    "run_seconds",
    "Time from a run's start to its end.",
    ["function"],
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 86400),
)
