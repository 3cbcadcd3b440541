"""Numbers for operators."""

from riveredge_sdk.metrics import counter, histogram

ACCEPTED = counter("messaging_messages", "Messages that were accepted.", ["kind"])
DECIDED = counter("messaging_decisions", "What the rules have decided about deliveries.", ["rule", "verdict"])
DIGEST_SIZE = histogram(
    "messaging_digest_items", "Messages in a digest.", buckets=(1, 2, 3, 5, 10, 20, 50, 100, 200, 500)
)
ATTEMPTS = counter("messaging_attempts", "Attempts to hand messages over, by how they went.", ["provider", "state"])
HANDING_OVER = histogram("messaging_handing_over_seconds", "From handing a message over to the answer.", ["provider"])
REPORTS = counter("messaging_reports", "What providers and readers told afterwards, once each.", ["kind"])
