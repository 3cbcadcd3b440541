"""Which tenant a request names, by the header X-Tenant or by the sub-domain it was sent to.

Anybody can write both, so they only choose among what a credential allows: a token or key for a tenant is good there
and nowhere else, and a token for no tenant yet needs a membership in the one that is named. Whatever contradicts itself
is refused rather than resolved by precedence, because two parts of a system could resolve it differently.
"""

import re

from starlette.datastructures import Headers

from riveredge_sdk.problems import BadRequest

HEADER = "x-tenant"
_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def host_name(header: str) -> str:
    """The name of a Host header, without its port, in lower case."""
    name, _, port = header.rpartition(":")
    return (name if name and port.isdigit() else header).lower().rstrip(".")


def tenant_hint(headers: Headers, tenant_domain: str | None) -> str | None:
    """The name of the tenant that the request is for; None if it names none.

    Args:
        tenant_domain: the domain below which each tenant has a sub-domain.

    Raises:
        BadRequest: the header is there twice, is no tenant's name, or names another tenant than the address does.
    """
    named = headers.getlist(HEADER)
    if len(named) > 1:
        raise BadRequest("Send X-Tenant once.")
    if named and not _SLUG.fullmatch(named[0]):
        raise BadRequest("X-Tenant must be an organisation's short name, for example `acme`.")
    addressed = _sub_domain(headers, tenant_domain)
    if named and addressed is not None and named[0] != addressed:
        raise BadRequest(
            f"X-Tenant says {named[0]!r}, but the address is that of {addressed!r}.",
            extensions={"tenant": named[0], "address": addressed},
        )
    return named[0] if named else addressed


def chosen_tenant(wanted: str | None, hint: str | None) -> str | None:
    """The tenant of a sign-in: the one its body names, else the request's.

    Raises:
        BadRequest: they are two.
    """
    if wanted is not None and hint is not None and wanted != hint:
        raise BadRequest(f"The body says {wanted!r}, but the request is for {hint!r}.")
    return wanted if wanted is not None else hint


def _sub_domain(headers: Headers, tenant_domain: str | None) -> str | None:
    """The one label before the domain. Deeper names are nobody's: `a.b.example.com` is not the tenant `b`."""
    label, dot, domain = host_name(headers.get("host", "")).partition(".")
    return label if dot and domain == tenant_domain and _SLUG.fullmatch(label) else None
