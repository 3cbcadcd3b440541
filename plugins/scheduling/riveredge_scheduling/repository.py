"""Access to the plugin's rows."""

from riveredge_scheduling.models import Calendar, Fire, ScheduledTask
from riveredge_sdk import FilterField, Repository


class Tasks(Repository[ScheduledTask]):
    """Schedules."""

    model = ScheduledTask
    fields = (
        FilterField("key", "text", ScheduledTask.key),
        FilterField("title", "text", ScheduledTask.title),
        FilterField("status", "text", ScheduledTask.status),
        FilterField("action", "text", ScheduledTask.action),
        FilterField("trigger_kind", "text", ScheduledTask.trigger_kind),
        FilterField("zone", "text", ScheduledTask.zone),
        FilterField("owner_id", "uuid", ScheduledTask.owner_id),
        FilterField("calendar_id", "uuid", ScheduledTask.calendar_id),
        FilterField("next_fire_at", "datetime", ScheduledTask.next_fire_at),
        FilterField("last_success_at", "datetime", ScheduledTask.last_success_at),
        FilterField("last_failure_at", "datetime", ScheduledTask.last_failure_at),
        FilterField("failures", "integer", ScheduledTask.failures),
        FilterField("runs", "integer", ScheduledTask.runs),
    )
    default_sort = "key"


class Fires(Repository[Fire]):
    """What became of the instants of plans."""

    model = Fire
    fields = (
        FilterField("task_id", "uuid", Fire.task_id),
        FilterField("task_key", "text", Fire.task_key),
        FilterField("action", "text", Fire.action),
        FilterField("kind", "text", Fire.kind),
        FilterField("batch", "text", Fire.batch),
        FilterField("state", "text", Fire.state),
        FilterField("reason", "text", Fire.reason),
        FilterField("nominal_at", "datetime", Fire.nominal_at),
        FilterField("fire_at", "datetime", Fire.fire_at),
        FilterField("started_at", "datetime", Fire.started_at),
        FilterField("finished_at", "datetime", Fire.finished_at),
        FilterField("attempt", "integer", Fire.attempt),
        FilterField("run_id", "text", Fire.run_id),
    )
    default_sort = "-nominal_at"


class Calendars(Repository[Calendar]):
    """Calendars."""

    model = Calendar
    fields = (FilterField("key", "text", Calendar.key), FilterField("title", "text", Calendar.title))
    default_sort = "key"
