"""What people may be allowed to do with schedules."""

from riveredge_sdk import Permission, Role

TASK_READ = "scheduling.task.read"
TASK_WRITE = "scheduling.task.write"
TASK_RUN = "scheduling.task.run"
CALENDAR_WRITE = "scheduling.calendar.write"

PERMISSIONS = (
    Permission(TASK_READ, "See schedules, their fires and calendars"),
    Permission(TASK_WRITE, "Write, pause and delete schedules"),
    Permission(TASK_RUN, "Run schedules now, skip, backfill and cancel runs"),
    Permission(CALENDAR_WRITE, "Write calendars of holidays"),
)

ROLES = (
    Role("scheduling.viewer", "Viewer of schedules", frozenset({TASK_READ})),
    Role("scheduling.operator", "Operator of schedules", frozenset({TASK_READ, TASK_RUN})),
    Role(
        "scheduling.editor",
        "Editor of schedules",
        frozenset({TASK_READ, TASK_WRITE, TASK_RUN, CALENDAR_WRITE}),
    ),
)
