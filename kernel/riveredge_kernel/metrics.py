"""Prometheus metrics. No tenant labels: their number is not bounded, and who is busy is nobody else's business."""

from prometheus_client import Counter, Gauge, Histogram

REQUEST_SECONDS = Histogram(
    "riveredge_http_request_seconds",
    "Time to answer a request.",
    ["operation", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
SYSTEM_SESSIONS = Counter("riveredge_system_sessions_total", "Uses of the cross-tenant hatch.", ["reason"])
RAW_STATEMENTS = Counter("riveredge_raw_statements_total", "Hand-written SQL let through the tenant wall.")
OUTBOX_SENT = Counter("riveredge_outbox_sent_total", "Events handed to Inngest.", ["outcome"])
OUTBOX_OPEN = Gauge("riveredge_outbox_open", "Events not yet confirmed, as of the relay's last look.")
RUNS = Counter("riveredge_runs_total", "Ended runs of durable functions.", ["function", "status"])
