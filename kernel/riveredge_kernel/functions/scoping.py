"""One tenant's events never merge with, drop, end or wake what is another's.

Inngest knows no tenants. Its limits with a key are the key's; without one they are everybody's, and a wait or a
cancellation without a condition takes any tenant's event. So the tenant is made a part of each: `string()` because keys
may be numbers, and CEL adds up only what is of one type.
"""

from typing import Any, TypeVar

import inngest

from riveredge_sdk.functions import FunctionSpec

LimitT = TypeVar("LimitT", inngest.Debounce, inngest.Singleton, inngest.RateLimit, inngest.Batch)

TENANT = "event.data.tenant_id"
# The same in a function that is told of another's end: there the event lies in the event.
TENANT_OF_ENDED = "event.data.event.data.tenant_id"


def tenant_key(key: str | None) -> str:
    """A key expression that differs between tenants."""
    return TENANT if key is None else f"{TENANT} + '/' + string({key})"


def same_tenant(condition: str | None, tenant: str = TENANT) -> str:
    """A condition on an awaited event that only the same tenant's can meet.

    The author's comes first and stands free where it can: engines look waits up by their first comparison.
    """
    same = f"async.data.tenant_id == {tenant}"
    if condition is None:
        return same
    free = condition if not {"|", "?"} & set(condition) else f"({condition})"
    return f"{free} && {same}"


def flow_control(spec: FunctionSpec[Any]) -> dict[str, Any]:
    """Inngest's configuration of a function. Throttle, concurrency and priority only delay; they stay the author's."""
    limits = [spec.concurrency] if spec.concurrency else []
    if spec.per_tenant is not None and not spec.system:
        limits.append(inngest.Concurrency(limit=spec.per_tenant.limit, key=TENANT, scope="fn"))
    own: dict[str, Any] = {
        "concurrency": limits or None,
        "throttle": spec.throttle,
        "priority": spec.priority,
        "timeouts": spec.timeouts,
        "rate_limit": spec.rate_limit,
        "debounce": spec.debounce,
        "singleton": spec.singleton,
        "batch_events": spec.batch,
        "idempotency": spec.idempotency,
        "cancel": list(spec.cancel) or None,
    }
    if spec.system:
        return own
    cancel = [one.model_copy(update={"if_exp": same_tenant(one.if_exp)}) for one in spec.cancel]
    return {
        **own,
        "rate_limit": _scoped(spec.rate_limit),
        "debounce": _scoped(spec.debounce),
        "singleton": _scoped(spec.singleton),
        "batch_events": _scoped(spec.batch),
        "idempotency": tenant_key(spec.idempotency) if spec.idempotency else None,
        "cancel": cancel or None,
    }


def _scoped(limit: LimitT | None) -> LimitT | None:
    return None if limit is None else limit.model_copy(update={"key": tenant_key(limit.key)})


def scope_waits(ctx: inngest.Context, tenant: str = TENANT) -> None:
    """Let the handler's `step.wait_for_event` see the run's own tenant's events only.

    Args:
        tenant: where the run's event names it.
    """
    wait: Any = ctx.step.wait_for_event

    def scoped(step_id: str, *, if_exp: str | None = None, **options: Any) -> Any:
        return wait(step_id, if_exp=same_tenant(if_exp, tenant), **options)

    ctx.step.wait_for_event = scoped  # type: ignore[method-assign]
