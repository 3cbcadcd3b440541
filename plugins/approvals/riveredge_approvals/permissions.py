"""What people may be allowed to do with approvals."""

from riveredge_sdk import Permission, Role

PROCESS_READ = "approvals.process.read"
PROCESS_WRITE = "approvals.process.write"
PROCESS_PUBLISH = "approvals.process.publish"
REQUEST_USE = "approvals.request.use"
INSTANCE_READ = "approvals.instance.read"
INSTANCE_ADMIN = "approvals.instance.admin"
CONNECTION_WRITE = "approvals.connection.write"
PEOPLE_ADMIN = "approvals.people.admin"

PERMISSIONS = (
    Permission(PROCESS_READ, "See processes and their drawings"),
    Permission(PROCESS_WRITE, "Draw processes"),
    Permission(PROCESS_PUBLISH, "Publish, roll back and archive processes"),
    Permission(REQUEST_USE, "Submit requests, and decide on those one is asked about"),
    Permission(INSTANCE_READ, "See all requests of the organisation"),
    Permission(INSTANCE_ADMIN, "Terminate, move, suspend, mend and reassign requests"),
    Permission(CONNECTION_WRITE, "Set up and try connections to other systems"),
    Permission(PEOPLE_ADMIN, "Arrange substitutes for others, and hand their tasks over"),
)

ROLES = (
    Role("approvals.user", "Participant in approvals", frozenset({REQUEST_USE})),
    Role("approvals.designer", "Designer of approvals", frozenset({PROCESS_READ, PROCESS_WRITE, REQUEST_USE})),
    Role(
        "approvals.administrator",
        "Administrator of approvals",
        frozenset(
            {
                PROCESS_READ,
                PROCESS_WRITE,
                PROCESS_PUBLISH,
                REQUEST_USE,
                INSTANCE_READ,
                INSTANCE_ADMIN,
                CONNECTION_WRITE,
                PEOPLE_ADMIN,
            }
        ),
    ),
)
