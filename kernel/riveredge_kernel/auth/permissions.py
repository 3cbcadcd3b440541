"""The kernel's own permissions and roles."""

from riveredge_sdk.contributions import Permission, Role

PERMISSIONS = (
    Permission("kernel.run.read", "See the runs of durable functions"),
    Permission("kernel.member.read", "See members and roles"),
    Permission(
        "kernel.member.write", "Add, change and remove members and roles", "Whoever holds it can give any role."
    ),
    Permission("kernel.tenant.read", "See the organisation's settings and plugins"),
    Permission("kernel.tenant.write", "Change the organisation's settings and switch plugins"),
)

ROLES = (Role("kernel.viewer", "Viewer", frozenset({"kernel.run.read", "kernel.member.read", "kernel.tenant.read"})),)

# The role that every new tenant has; it always holds every permission there is.
ADMINISTRATOR = "kernel.administrator"
