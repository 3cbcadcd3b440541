"""Who decides on a node: the resolvers of its selectors, and then the pipeline over what they found."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from riveredge_approvals.ir.document import CompiledFlow, Selector
from riveredge_approvals.people.candidates import Asking, Candidate, Earlier, Roster, Verdict
from riveredge_approvals.people.finding import find_each
from riveredge_approvals.people.pipeline import Pipeline, stand_ins
from riveredge_approvals.people.staff import TenantStaff
from riveredge_sdk.features.approvals import Found, Request


async def find_roster(asking: Asking) -> Roster:
    """Who decides on a node now, in the running unit of work."""
    request = replace(asking.request, choices=asking.choices, decided=asking.passed)
    asking = replace(asking, request=request)
    return await Pipeline(TenantStaff(), asking).run(await find_each(request, asking.node.roster))


async def find_people(
    request: Request,
    flow: CompiledFlow,
    selectors: Sequence[Selector],
    *,
    assignee: UUID | None = None,
    substitutes: bool = False,
) -> Found:
    """Who is meant by selectors, each once, for copies and escalations; no policy leaves out the submitter.

    Args:
        assignee: whose task it is about, for selectors such as "her manager".
        substitutes: take those who stand in for absent people: for whoever is to do something.
    """
    staff = TenantStaff()
    found = await find_each(replace(request, assignee=assignee), selectors)
    users = list(dict.fromkeys(user for each in found for user in each.found.users))
    active = await staff.active(users)
    users = [user for user in users if user in active]
    if substitutes:
        instead = await stand_ins(staff, users, flow.process)
        users = list(dict.fromkeys(instead[user].user_id for user in users))
    why = "; ".join(each.found.why for each in found)
    return Found(users, why, [warning for each in found for warning in each.found.warnings])


__all__ = ["Asking", "Candidate", "Earlier", "Roster", "Verdict", "find_people", "find_roster"]
