"""What the routes of identity providers and of signing in with one take and return."""

from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from riveredge_kernel.auth.schemas import RoleKey, RoleKeys
from riveredge_kernel.tenancy.policy import domain
from riveredge_sdk.http import Body, Resource


def _issuer(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("expected an address without parameters, for example https://login.example.com/realms/acme")
    return value


Issuer = Annotated[
    str,
    Field(max_length=500, description="Exactly as the provider calls itself in /.well-known/openid-configuration."),
    AfterValidator(_issuer),
]
ClientId = Annotated[str, Field(min_length=1, max_length=500, description="As the platform is registered there.")]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=2000, description="Encrypted, and never shown.")]
Scopes = Annotated[list[Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,100}$")]], Field(max_length=20)]
Domains = Annotated[
    list[Annotated[str, AfterValidator(domain)]],
    Field(max_length=100, description="Only addresses of these are linked or made members; empty: of all."),
]
LinkByEmail = Annotated[bool, Field(description="Link a member who comes for the first time by a verified address.")]
TrustsEmail = Annotated[
    bool,
    Field(description="Take its addresses for verified although it does not say so: only where it owns them."),
]
Provisions = Annotated[bool, Field(description="Make whoever it knows a member, with the default roles.")]
GroupsClaim = Annotated[str, Field(min_length=1, max_length=200, description="For example `realm_access.roles`.")]
ProviderTitle = Annotated[str, Field(min_length=1, max_length=200, description="What people see on the button.")]


class GroupRole(Body):
    """Whoever is in the group there has the role here; whoever is not loses it at the next sign-in."""

    group: Annotated[str, Field(min_length=1, max_length=500)]
    role: RoleKey


GroupRoles = Annotated[list[GroupRole], Field(max_length=500)]


class ProviderIn(Body):
    """A new identity provider."""

    key: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="Its name in addresses.")]
    title: ProviderTitle
    issuer: Issuer
    client_id: ClientId
    client_secret: Secret | None = None
    scopes: Annotated[Scopes, Field(default_factory=lambda: ["openid", "email", "profile"])]
    active: bool = True
    link_by_email: LinkByEmail = True
    trusts_email: TrustsEmail = False
    provisions: Provisions = False
    email_domains: Annotated[Domains, Field(default_factory=list)]
    groups_claim: GroupsClaim = "groups"
    group_roles: Annotated[GroupRoles, Field(default_factory=list)]
    default_roles: Annotated[RoleKeys, Field(default_factory=list)]


class ProviderChange(Body):
    """What may change about a provider. A new issuer needs the client secret anew."""

    title: ProviderTitle | None = None
    issuer: Issuer | None = None
    client_id: ClientId | None = None
    client_secret: Secret | None = None
    scopes: Scopes | None = None
    active: bool | None = None
    link_by_email: LinkByEmail | None = None
    trusts_email: TrustsEmail | None = None
    provisions: Provisions | None = None
    email_domains: Domains | None = None
    groups_claim: GroupsClaim | None = None
    group_roles: GroupRoles | None = None
    default_roles: RoleKeys | None = None


class ProviderOut(Resource):
    """An identity provider, without its secret."""

    key: str
    title: str
    issuer: str
    client_id: str
    has_secret: bool
    scopes: list[str]
    active: bool
    link_by_email: bool
    trusts_email: bool
    provisions: bool
    email_domains: list[str]
    groups_claim: str
    group_roles: list[GroupRole]
    default_roles: list[str]
    redirect_uri: Annotated[str, Field(description="To be registered at the provider.")]


class ProviderCheck(BaseModel):
    """What the provider says about itself, now."""

    works: bool
    problem: Annotated[str | None, Field(description="Why not.")]
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    algorithms: Annotated[list[str], Field(default_factory=list, description="Of signatures that are accepted.")]


class IdentityOut(Resource):
    """A user, as the provider knows them."""

    user_id: UUID
    subject: str
    email: str
    last_used_at: datetime | None


class SignInOption(BaseModel):
    """A way to sign in."""

    key: str
    title: str


class StartIn(Body):
    """Begin a sign-in with a provider."""

    tenant: Annotated[str | None, Field(max_length=63, description="By default the one of the address.")] = None
    provider: Annotated[str, Field(max_length=63)]
    redirect_to: Annotated[
        str,
        Field(max_length=2000, description="Where the browser comes back to: a path, or an allowed origin."),
    ]


class StartOut(BaseModel):
    """Send the browser to `authorization_url` and keep `secret` in it: the ticket is of no use without."""

    authorization_url: str
    secret: str
    expires_in: Annotated[int, Field(description="Seconds.")]


class CompleteIn(Body):
    """End a sign-in: exchange the ticket that the browser came back with."""

    ticket: Annotated[str, Field(max_length=200)]
    secret: Annotated[str, Field(max_length=200)]
