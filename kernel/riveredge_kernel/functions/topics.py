"""What can be followed of runs: all of a tenant's, from start to end, and each step of one."""

from sqlmodel import col, select

from riveredge_kernel.functions.models import Run
from riveredge_sdk.context import current_context
from riveredge_sdk.stream import StreamTopic, Value, push
from riveredge_sdk.uow import session

_READ = "kernel.run.read"


async def _is_there(run_id: str) -> bool:
    return (await session().exec(select(Run.id).where(col(Run.run_id) == run_id))).first() is not None


RUNS = StreamTopic(
    "kernel.runs",
    "Runs",
    permission=_READ,
    description="started, failing (an attempt has failed), completed, failed and cancelled; data: run, function.",
)
RUN = StreamTopic(
    "kernel.run",
    "One run",
    permission=_READ,
    scope="object",
    authorise=_is_there,
    description="step, completed, failed and cancelled; the key is the run's id; data: attempt.",
)
TOPICS = (RUNS, RUN)


def push_run(what: str, run: Run) -> None:
    """Tell who follows the tenant's runs. Runs of the platform itself are nobody's."""
    if current_context().tenant_id is not None:
        push(RUNS, what=what, data={"run": run.run_id, "function": run.function})


def push_step(what: str, run_id: str, **data: Value) -> None:
    """Tell who follows this one run."""
    if current_context().tenant_id is not None:
        push(RUN, run_id, what=what, data=data)
