"""What people may be allowed to do with the organisation. Everybody keeps their own absences, without any of these."""

from riveredge_sdk import Permission, Role

READ = "directory.organisation.read"
MANAGE = "directory.organisation.manage"

PERMISSIONS = (
    Permission(READ, "See departments, positions, groups and who belongs where"),
    Permission(MANAGE, "Change the organisation, and the absences of others"),
)

ROLES = (
    Role("directory.viewer", "Viewer of the organisation", frozenset({READ})),
    Role("directory.manager", "Manager of the organisation", frozenset({READ, MANAGE})),
)
