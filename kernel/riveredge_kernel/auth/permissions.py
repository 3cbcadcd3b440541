"""The kernel's own permissions and roles."""

from riveredge_sdk.contributions import Permission, Role

PERMISSIONS = (
    Permission("kernel.run.read", "See the runs of durable functions"),
    Permission("kernel.run.cancel", "Cancel runs of durable functions"),
    Permission("kernel.run.rerun", "Repeat runs of durable functions", "Whatever they did, they do again."),
    Permission("kernel.member.read", "See members, roles and why somebody may do something"),
    Permission(
        "kernel.member.write",
        "Add, change and remove members",
        "Nobody gives or takes a role that allows more than they may do themselves.",
    ),
    Permission(
        "kernel.role.write",
        "Create, change and delete roles",
        "Nobody puts a permission into a role that they do not hold.",
    ),
    Permission("kernel.service_account.read", "See service accounts and their API keys"),
    Permission(
        "kernel.service_account.write",
        "Create, change and delete service accounts and their API keys",
        "A service account gets no more than the one who sets it up may do.",
    ),
    Permission(
        "kernel.api_key.own",
        "Have API keys of one's own",
        "A personal key acts as its owner, within the permissions it names.",
    ),
    Permission("kernel.api_key.manage", "See and revoke everybody's API keys"),
    Permission("kernel.identity_provider.read", "See identity providers, and who is known there"),
    Permission(
        "kernel.identity_provider.write",
        "Set up identity providers",
        "Takes every other permission as well: a provider can call anybody by any member's name.",
    ),
    Permission("kernel.audit.read", "Read and export the audit log"),
    Permission("kernel.tenant.read", "See the organisation's settings and plugins"),
    Permission("kernel.tenant.write", "Change the organisation's settings and switch plugins"),
    Permission(
        "kernel.personal_data.manage",
        "Export and erase the data of members",
        "Takes a proof of who it is, and everything that the member may do.",
    ),
    Permission("kernel.tenant.export", "Export everything that the organisation has"),
    Permission(
        "kernel.tenant.delete", "Delete the organisation", "Takes a proof of who it is, and can be taken back for days."
    ),
)

ROLES = (
    Role("kernel.viewer", "Viewer", frozenset({"kernel.run.read", "kernel.member.read", "kernel.tenant.read"})),
    Role(
        "kernel.developer",
        "Developer",
        frozenset({"kernel.run.read", "kernel.api_key.own", "kernel.service_account.read"}),
        "Uses the API from programs of their own.",
    ),
)

# The role that every new tenant has; it always holds every permission there is.
ADMINISTRATOR = "kernel.administrator"
