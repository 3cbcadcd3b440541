"""Finding processes and their versions."""

from riveredge_approvals.models import Process, ProcessVersion
from riveredge_sdk import FilterField, Repository


class Processes(Repository[Process]):
    """Kinds of requests."""

    model = Process
    fields = (
        FilterField("key", "text", Process.key),
        FilterField("title", "text", Process.title),
        FilterField("category", "text", Process.category),
        FilterField("archived_at", "datetime", Process.archived_at),
    )
    default_sort = "title"


class Versions(Repository[ProcessVersion]):
    """Published drawings."""

    model = ProcessVersion
    fields = (FilterField("number", "integer", ProcessVersion.number),)
    default_sort = "-number"
