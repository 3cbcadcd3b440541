"""What happens to organisations, as events that the kernel publishes. React to them with functions.

An event is the organisation's own, so an ordinary function runs in it::

    FunctionSpec(id="reports.follow", title="Follow plugins", trigger=PLUGIN_SWITCHED, handler=follow)
    FunctionSpec(id="reports.hand_over", title="Hand over what waits", trigger=MEMBER_LEFT, handler=hand_over)
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_sdk.events import EventType

WhyLeft = Literal["removed", "left", "switched_off", "account_off", "erased"]


class PluginSwitched(BaseModel):
    """An organisation has switched a plugin on or off."""

    plugin: str
    enabled: bool


class MemberLeft(BaseModel):
    """Somebody who was an active member of an organisation is none any more, for now or for good.

    `PEOPLE.find` still knows those who were switched off, with `active=False`. They may be back by the time that a
    function runs.
    """

    user_id: UUID
    why: Annotated[
        WhyLeft,
        Field(
            description="`removed` by an administrator, or `left` by themselves; the membership was `switched_off`, or "
            "by an operator the account in all organisations (`account_off`); `erased` with all personal data."
        ),
    ]


PLUGIN_SWITCHED = EventType("kernel/plugin.switched", PluginSwitched, "An organisation switched a plugin on or off")
MEMBER_LEFT = EventType("kernel/member.left", MemberLeft, "A member was switched off or left the organisation")

__all__ = ["MEMBER_LEFT", "PLUGIN_SWITCHED", "MemberLeft", "PluginSwitched", "WhyLeft"]
