"""What schedules can do with messages."""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from riveredge_messaging.delivery.file_checks import MAX_FILES
from riveredge_messaging.delivery.file_schemas import AttachmentIn
from riveredge_messaging.permissions import MESSAGE_SEND, check_reach
from riveredge_messaging.service import Messaging
from riveredge_sdk import Body
from riveredge_sdk.features.messaging import Notification
from riveredge_sdk.features.scheduling import FireContext, TaskAction

Keys = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(default_factory=list, max_length=50)]


class SendParams(Body):
    """The message."""

    template: Annotated[str, Field(title="Template", description="A template's key.", max_length=100)]
    to: Annotated[list[UUID], Field(default_factory=list, title="To", description="User ids.", max_length=1000)]
    roles: Annotated[Keys, Field(title="Roles", description="All who hold them when it runs.")]
    groups: Annotated[Keys, Field(title="Groups", description="All who are in them when it runs.")]
    topics: Annotated[Keys, Field(title="Topics", description="All who follow them when it runs.")]
    everyone: Annotated[bool, Field(title="Everyone", description="All members.")] = False
    data: Annotated[dict[str, Any], Field(default_factory=dict, title="Data", description="The template's variables.")]
    channels: Annotated[
        list[str], Field(default_factory=list, title="Channels", description="None: the category's.", max_length=20)
    ]
    category: Annotated[str | None, Field(title="Category", description="None: the template's.", max_length=100)] = None
    attachments: Annotated[
        list[AttachmentIn],
        Field(
            default_factory=list,
            title="Attachments",
            description="For the channels that carry files: e-mail. Content is kept with the schedule; a file_id is "
            "read anew by each run.",
            max_length=MAX_FILES,
        ),
    ]

    def notification(self) -> Notification:
        """As the port takes it."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return Notification(**{**given, "attachments": [file.attachment() for file in self.attachments]})


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
        check_reach(everyone=params.everyone)
        await Messaging().check(params.notification())

    async def run(self, ctx: FireContext, params: SendParams) -> str:
        check_reach(everyone=params.everyone)
        notification = replace(
            params.notification(),
            idempotency_key=f"scheduling:{ctx.fire_id}",
            correlation=f"scheduling.task:{ctx.task_id}",
        )
        return str((await Messaging().send(notification)).id)
