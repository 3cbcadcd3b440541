"""What people may be allowed to do with approvals."""

from riveredge_sdk import Permission, Role

REQUEST_USE = "approvals.request.use"
INSTANCE_READ = "approvals.instance.read"
INSTANCE_ADMIN = "approvals.instance.admin"

PERMISSIONS = (
    Permission(REQUEST_USE, "Submit requests, and decide on those one is asked about"),
    Permission(INSTANCE_READ, "See all requests of the organisation"),
    Permission(INSTANCE_ADMIN, "Terminate, move, suspend and mend requests"),
)

ROLES = (
    Role("approvals.user", "Participant in approvals", frozenset({REQUEST_USE})),
    Role(
        "approvals.administrator",
        "Administrator of approvals",
        frozenset({REQUEST_USE, INSTANCE_READ, INSTANCE_ADMIN}),
    ),
)
