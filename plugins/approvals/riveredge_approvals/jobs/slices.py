"""The loop of functions that go over many things: step after step, each going on where the one before has stopped."""

from collections.abc import Awaitable, Callable
from functools import partial

from riveredge_sdk import FunctionContext

# So many things are done in one step, each in a unit of work of its own.
PER_SLICE = 25
# Inngest ends a run after 1000 steps.
MAX_SLICES = 900


async def in_slices(ctx: FunctionContext, one: Callable[[str | None], Awaitable[str | None]]) -> bool:
    """Take slice after slice; whether there is nothing left.

    Args:
        one: takes the slice behind a place (None: the first one), and says up to which place it came; None: that was
            the last one. It may be called again for a place, and then does what is not done yet.
    """
    place: str | None = None
    for number in range(MAX_SLICES):
        place = await ctx.step.run(f"slice-{number}", partial(one, place))
        if place is None:
            return True
    return False
