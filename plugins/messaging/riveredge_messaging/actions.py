"""What schedules can do with messages."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from riveredge_messaging.catalog import find_template
from riveredge_messaging.declarations import check_data
from riveredge_messaging.permissions import MESSAGE_SEND
from riveredge_messaging.service import Messaging
from riveredge_sdk import Body, get_service
from riveredge_sdk.features.messaging import Notification
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.features.scheduling import FireContext, TaskAction
from riveredge_sdk.problems import invalid_field


class SendParams(Body):
    """The message."""

    template: Annotated[str, Field(title="Template", description="A template's key.", max_length=100)]
    to: Annotated[list[UUID], Field(title="To", description="User ids.", min_length=1, max_length=1000)]
    data: Annotated[dict[str, Any], Field(default_factory=dict, title="Data", description="The template's variables.")]
    channels: Annotated[
        list[str], Field(default_factory=list, title="Channels", description="None: every channel.", max_length=20)
    ]


class SendMessage(TaskAction[SendParams]):
    """Sends a message, as `POST /api/v1/messaging/messages` does."""

    id = "messaging.send"
    title = "Send a message"
    description = "Sends a templated message to people of the organisation."
    params = SendParams
    permission = MESSAGE_SEND
    idempotency = "The message is accepted exactly once for each fire."
    transactional = True

    async def check(self, params: SendParams) -> None:
        template = await find_template(params.template)
        if template is None:
            raise invalid_field("template", f"There is no template {params.template!r} here.", "unknown_template")
        check_data(params.data, template.variables)
        people = await get_service(PEOPLE).find(params.to)
        for index, user_id in enumerate(params.to):
            if user_id not in people or not people[user_id].active:
                raise invalid_field(f"to.{index}", f"{user_id} is no active member here.", "unknown_recipient")

    async def run(self, ctx: FireContext, params: SendParams) -> str:
        notification = Notification(
            template=params.template,
            to=params.to,
            data=params.data,
            channels=params.channels,
            idempotency_key=f"scheduling:{ctx.fire_id}",
            correlation=f"scheduling.task:{ctx.task_id}",
        )
        return str((await Messaging().send(notification)).id)
