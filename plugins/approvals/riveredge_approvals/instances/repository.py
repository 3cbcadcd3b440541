"""Finding instances."""

from riveredge_approvals.models import HistoryEntry, Instance
from riveredge_sdk import FilterField, Repository


class Instances(Repository[Instance]):
    """Requests."""

    model = Instance
    fields = (
        FilterField("number", "text", Instance.number),
        FilterField("title", "text", Instance.title),
        FilterField("status", "text", Instance.status),
        FilterField("process_id", "uuid", Instance.process_id),
        FilterField("submitter_id", "uuid", Instance.submitter_id),
        FilterField("department_id", "uuid", Instance.department_id),
        FilterField("subject_type", "text", Instance.subject_type),
        FilterField("subject_id", "text", Instance.subject_id),
        FilterField("submitted_at", "datetime", Instance.submitted_at),
        FilterField("finished_at", "datetime", Instance.finished_at),
    )


class HistoryEntries(Repository[HistoryEntry]):
    """Lines of histories."""

    model = HistoryEntry
    fields = (
        FilterField("seq", "integer", HistoryEntry.seq),
        FilterField("kind", "text", HistoryEntry.kind),
        FilterField("node", "text", HistoryEntry.node),
    )
    default_sort = "seq"
