"""Access to runs and their repetitions."""

from riveredge_kernel.functions.models import Rerun, Run
from riveredge_sdk.filter_fields import FilterField
from riveredge_sdk.repository import Repository


class Runs(Repository[Run]):
    """The current tenant's runs."""

    model = Run
    fields = (
        FilterField("run_id", "text", Run.run_id, "Run"),
        FilterField("function", "text", Run.function, "Function"),
        FilterField("event_id", "uuid", Run.event_id, "Event id"),
        FilterField("event_name", "text", Run.event_name, "Event"),
        FilterField("request_id", "text", Run.request_id, "Request"),
        FilterField("trace_id", "text", Run.trace_id, "Trace"),
        FilterField("status", "text", Run.status, "Status"),
        FilterField("attempt", "integer", Run.attempt, "Attempt"),
        FilterField("error", "text", Run.error, "Error"),
        FilterField("subject_type", "text", Run.subject_type, "Kind of object"),
        FilterField("subject_id", "text", Run.subject_id, "Object"),
        FilterField("rerun_of", "text", Run.rerun_of, "Repeats"),
        FilterField("rerun_at", "datetime", Run.rerun_at, "Was repeated"),
        FilterField("started_at", "datetime", Run.started_at, "Began"),
        FilterField("ended_at", "datetime", Run.ended_at, "Ended"),
    )
    default_sort = "-started_at"


class RerunRows(Repository[Rerun]):
    """The current tenant's sets of repeated runs."""

    model = Rerun
    fields = (FilterField("status", "text", Rerun.status, "Status"),)
