"""The durable functions of notification rules."""

from uuid import UUID

from riveredge_messaging.events import RULE_DUE, RULE_EVENT, RuleDue
from riveredge_messaging.triggers import firing
from riveredge_sdk import FunctionContext, FunctionSpec, Subject, unit_of_work
from riveredge_sdk.watching import WatchedEvent


async def apply_rules(ctx: FunctionContext, event: WatchedEvent) -> dict[str, str]:
    """Do what each of the organisation's rules says about an event: each in a step, so that none spoils the others."""

    @unit_of_work(read_only=True)
    async def find() -> list[str]:
        return [str(rule_id) for rule_id in await firing.rules_about(event.name)]

    done: dict[str, str] = {}
    for rule_id in await ctx.step.run("rules", find):

        @unit_of_work()
        async def apply(rule_id: str = rule_id) -> str:
            return await firing.apply(UUID(rule_id), event)

        done[rule_id] = await ctx.step.run(f"rule-{rule_id}", apply)
    return done


async def fire_rule(ctx: FunctionContext, event: RuleDue) -> str:
    """Send what a rule has planned."""

    @unit_of_work()
    async def fire() -> str:
        return await firing.fire(event.firing_id)

    return await ctx.step.run("fire", fire)


FUNCTIONS = (
    FunctionSpec(
        id="messaging.apply_rules",
        title="Apply the notification rules to an event",
        trigger=RULE_EVENT,
        handler=apply_rules,
    ),
    FunctionSpec(
        id="messaging.fire_rule",
        title="Send what a notification rule has planned",
        trigger=RULE_DUE,
        handler=fire_rule,
        subject=lambda event: Subject("messaging.rule_firing", event.firing_id),
    ),
)
