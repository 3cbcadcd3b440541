"""What an organisation demands of those who act in it. Edited like settings of a plugin: `/api/v1/settings/kernel`."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError

from riveredge_sdk.auth import Principal
from riveredge_sdk.problems import Forbidden
from riveredge_sdk.settings import TenantSettings

_DOMAIN = re.compile(r"([a-z0-9-]{1,63}\.)+[a-z0-9-]{1,63}")
Hours = Annotated[int | None, Field(ge=1, le=24 * 365)]


def domain(value: str) -> str:
    """A domain in its kept form, or a ValueError."""
    lowered = value.lower()
    if not _DOMAIN.fullmatch(lowered):
        raise ValueError("expected a domain, for example example.com")
    return lowered


class OrganisationPolicy(TenantSettings):
    """Who gets in, and for how long."""

    second_factor_from: Annotated[
        AwareDatetime | None,
        Field(
            title="Second factor from",
            description="From then on members act here only after a sign-in with a second factor. Until then they are "
            "told to set one up. Empty: it is everybody's own choice. Sign-ins by an identity provider are left to it.",
        ),
    ] = None
    session_max_hours: Annotated[
        Hours,
        Field(title="Longest session", description="Hours after which one signs in again to act here. Empty: none."),
    ] = None
    session_idle_hours: Annotated[
        Hours,
        Field(title="Longest pause", description="Hours without use after which a session that acts here has ended."),
    ] = None
    invitation_domains: list[Annotated[str, AfterValidator(domain)]] = Field(
        default_factory=list,
        title="Domains of members",
        description="Only people with addresses of these are invited or added. Empty: everybody.",
        max_length=100,
    )

    def demands_second_factor(self, now: datetime) -> bool:
        """Whether one has to have shown a second factor by now."""
        return self.second_factor_from is not None and self.second_factor_from <= now


class SecondFactorDemanded(Forbidden):
    """The organisation demands a second factor, and this session began without one."""

    code: ClassVar[str] = "second-factor-demanded"
    title: ClassVar[str] = "The organisation demands a second factor"

    def __init__(self) -> None:
        super().__init__(
            "Set one up (POST /api/v1/auth/second-factor, then …/confirm) and go on; if you have one, sign in with it."
        )


def check_second_factor(policy: OrganisationPolicy, principal: Principal, now: datetime) -> None:
    """Raise `SecondFactorDemanded` if the organisation wants one. API keys have none; a provider sees to its own."""
    exempt = principal.session_id is None or principal.tenant_bound or principal.second_factor
    if not exempt and policy.demands_second_factor(now):
        raise SecondFactorDemanded


# What stands for a value that cannot be read any more: a mistake opens nothing, and administrators see it and mend it.
_STRICTEST: dict[str, Any] = {
    "second_factor_from": datetime(1970, 1, 1, tzinfo=UTC),
    "session_max_hours": 1,
    "session_idle_hours": 1,
    "invitation_domains": ["unreadable.invalid"],
}


def read_policy(values: dict[str, Any] | None) -> OrganisationPolicy:
    """The policy from what is stored; where that cannot be read any more, the strictest one."""
    given = values or {}
    try:
        return OrganisationPolicy.model_validate(given)
    except ValidationError as error:
        broken = {str(each["loc"][0]) for each in error.errors()}
    kept = {name: value for name, value in given.items() if name not in broken}
    strict = {name: value for name, value in _STRICTEST.items() if name in broken}
    return OrganisationPolicy.model_validate({**kept, **strict})
