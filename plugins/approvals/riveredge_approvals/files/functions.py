"""The durable function of files: what nobody used goes."""

from riveredge_approvals.events import FILE_UNUSED, FileRef
from riveredge_approvals.files import keeping
from riveredge_sdk import FunctionContext, FunctionSpec, unit_of_work


async def expire(ctx: FunctionContext, event: FileRef) -> bool:
    """Delete a file that no request uses."""

    @unit_of_work()
    async def delete() -> bool:
        return await keeping.expire(event.file_id)

    return await ctx.step.run("delete", delete)


FILE_FUNCTIONS = (
    FunctionSpec(
        id="approvals.expire_file",
        title="Delete a file that was not used",
        trigger=FILE_UNUSED,
        handler=expire,
        retries=10,
    ),
)
