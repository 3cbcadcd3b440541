"""Numbers for operators."""

from riveredge_sdk.metrics import counter, histogram

FIRES = counter("scheduling_fires", "Fires that have run, by how that ended.", ["state"])
LATENESS = histogram("scheduling_lateness_seconds", "From a fire's nominal instant to its start, jitter included.")
DURATION = histogram("scheduling_duration_seconds", "From a fire's start to its end, retries included.")
