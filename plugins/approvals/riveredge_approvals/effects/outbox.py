"""What the core's orders come to outside: timers, effects, messages."""

from riveredge_approvals.engine.case import Case


async def carry_out(case: Case) -> None:
    """See to the orders of a movement, in its unit of work."""
