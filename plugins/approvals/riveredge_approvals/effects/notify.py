"""The node `notify`: a message to whom the drawing names, with a template of the organisation's own."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from riveredge_approvals.effects.telling import common_data, send
from riveredge_approvals.engine.store import load
from riveredge_approvals.ir.document import Selector
from riveredge_approvals.people.roster import find_people
from riveredge_sdk import Body, find_service, unit_of_work
from riveredge_sdk.features.approvals import ApprovalNode, EffectError, Request
from riveredge_sdk.features.messaging import NOTIFIER, Notification
from riveredge_sdk.problems import Invalid


class NotifyConfig(Body):
    """Whom, and with which template."""

    recipients: Annotated[list[Selector], Field(title="Recipients", default_factory=list, max_length=50)]
    template: Annotated[str, Field(title="Template", min_length=1, max_length=200)]


class Notify(ApprovalNode[NotifyConfig]):
    """The template gets what all messages of approvals get, and `form`."""

    id = "approvals.notify"
    title = "Notify"
    description = "Sends a message. It is sent once for each visit."
    config = NotifyConfig

    async def check(self, config: NotifyConfig) -> Sequence[str]:
        return [] if find_service(NOTIFIER) is not None else ["Messaging is not there: nobody can be told."]

    @unit_of_work()
    async def run(self, request: Request, config: NotifyConfig) -> Mapping[str, Any]:
        notifier = find_service(NOTIFIER)
        if notifier is None:
            raise EffectError("Messaging is not there: nobody can be told.")
        case = await load(request.id, lock=False)
        found = await find_people(request, case.flow, config.recipients)
        if not found.users:
            return {"recipients": 0}
        data = await common_data(case.instance, case.flow, request.node)
        try:
            await send(
                notifier,
                Notification(
                    template=config.template,
                    to=found.users,
                    data={**data, "form": dict(request.form)},
                    idempotency_key=f"approvals.notify:{request.visit}",
                    correlation=f"approvals.instance:{request.id}",
                ),
            )
        except Invalid as wrong:
            why = "; ".join([wrong.detail, *(f"{each.field}: {each.message}" for each in wrong.errors)])
            raise EffectError(f"The message cannot be sent: {why}"[:1000], retry=False) from None
        return {"recipients": len(found.users)}
