"""What schedules can do with approvals: submit a request."""

from typing import Annotated, Any

from pydantic import Field

from riveredge_approvals.engine.store import flow_of_version
from riveredge_approvals.instances.forms import checked_form
from riveredge_approvals.instances.starting import department_of, may_start, published
from riveredge_approvals.instances.submitting import create
from riveredge_approvals.models import ProcessVersion
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk import Body, Problem, current_principal
from riveredge_sdk.features.scheduling import ActionError, FireContext, TaskAction
from riveredge_sdk.problems import Invalid, invalid_field


class StartParams(Body):
    """Which process, and with what in its form."""

    process: Annotated[str, Field(title="Process", description="Its key.", min_length=1, max_length=100)]
    form: Annotated[dict[str, Any], Field(title="Form", description="What its form asks for.", default_factory=dict)]


class StartRequest(TaskAction[StartParams]):
    """Submits a request in the name of the schedule's owner."""

    id = "approvals.start"
    title = "Submit a request"
    description = "Starts an approval with a form that is filled in beforehand."
    params = StartParams
    permission = REQUEST_USE
    idempotency = "One request is submitted for each fire."
    transactional = True

    async def check(self, params: StartParams) -> None:
        version = await self._version(params)
        checked_form(version.form_schema, flow_of_version(version), params.form)

    async def run(self, ctx: FireContext, params: StartParams) -> str:
        me = current_principal()
        if me.kind != "user":
            raise ActionError("A request is somebody's: the schedule's owner is no person.", retry=False)
        version = await self._version(params)
        if not await may_start(flow_of_version(version), me.id):
            raise ActionError(f"The process {params.process!r} is not for the schedule's owner to start.", retry=False)
        made = await create(
            version, params.form, submitter=me.id, actor=me.id, department=await department_of(me.id, None)
        )
        return str(made.id)

    async def _version(self, params: StartParams) -> ProcessVersion:
        try:
            return await published(params.process)
        except Invalid:
            raise
        except Problem as problem:
            raise invalid_field("process", problem.detail, "unknown") from None
