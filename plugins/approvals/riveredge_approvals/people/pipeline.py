"""The steps from what the resolvers found to who is asked.

resolver → groups → inactive → proxy → duplicates → self-approval → repeated approver → lot → empty. Each leaves an
entry in the trace: how many people were left after it, and a line for everybody to whom it did something.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from riveredge_approvals.ir.document import Who
from riveredge_approvals.people import policies
from riveredge_approvals.people.candidates import Asking, Candidate, Roster, Verdict
from riveredge_approvals.people.finding import Answer
from riveredge_approvals.people.proxies import stand_ins
from riveredge_approvals.people.staff import Staff
from riveredge_approvals.speech import Texts, texts_of

# A node that asks more people than this is a mistake of its rule, and no vote.
MAX_PEOPLE = 500
# Resolvers that name many by one word.
_GROUPS = frozenset({"role", "department", "group"})


class Pipeline:
    """One search. `roster` is filled step by step."""

    def __init__(self, staff: Staff, asking: Asking) -> None:
        self._staff = staff
        self._asking = asking
        self._roster = Roster([])

    async def run(self, answers: Sequence[Answer]) -> Roster:
        """Who is asked.

        Args:
            answers: what the node's selectors found, in their order.
        """
        self._take(answers)
        if len({each.user_id for each in self._roster.candidates}) > MAX_PEOPLE:
            return self._stop("block", _TOO_MANY)
        await self._drop_inactive()
        await self._ask_substitutes()
        self._merge("duplicates")
        if await self._self_approval():
            return self._stop("approve", _ONLY_SUBMITTER)
        self._repeated()
        if self._asking.node.policies.pick == "random":
            self._draw()
        if not self._roster.candidates:
            await self._empty()
        return self._roster

    # -- steps --------------------------------------------------------------------------------------------------

    def _take(self, answers: Sequence[Answer]) -> None:
        lines: list[dict[str, Any]] = []
        groups: list[dict[str, Any]] = []
        for answer in answers:
            selector, found = answer.selector, answer.found
            line = {"code": "found", "resolver": selector.resolver, "why": found.why, "texts": dict(found.texts)}
            lines.append({**line, "users": [str(user) for user in found.users]})
            self._warn([texts_of(each) for each in found.warnings])
            member: list[dict[str, Any]] = []
            if selector.resolver in _GROUPS:
                member = [{"code": "member", "resolver": selector.resolver, "of": str(selector.config.get("value"))}]
                groups.append({**member[0], "people": len(found.users)})
            self._roster.candidates.extend(
                Candidate(user, selector.weight, trace=[dict(line), *member]) for user in found.users
            )
        self._note("resolver", lines)
        self._note("groups", groups)

    async def _drop_inactive(self) -> None:
        active = await self._staff.active({each.user_id for each in self._roster.candidates})
        gone = dict.fromkeys(each.user_id for each in self._roster.candidates if each.user_id not in active)
        self._roster.candidates = [each for each in self._roster.candidates if each.user_id in active]
        self._note("inactive", [{"code": "inactive", "user": str(user)} for user in gone])

    async def _ask_substitutes(self) -> None:
        candidates = self._roster.candidates
        await self._replace_absent(candidates)
        ids = {line["user"]: line for each in candidates for line in each.trace if line["code"] in _PROXY_CODES}
        self._note("proxy", list(ids.values()))

    async def _replace_absent(self, candidates: Sequence[Candidate]) -> None:
        users = list(dict.fromkeys(each.user_id for each in candidates))
        instead = await stand_ins(self._staff, users, self._asking.request.process)
        for each in candidates:
            place = instead[each.user_id]
            each.trace.extend(place.lines)
            if place.user_id != each.user_id:
                each.principal_id, each.user_id = each.user_id, place.user_id
        for place in instead.values():
            self._warn(place.warnings)

    def _merge(self, step: str) -> None:
        self._roster.candidates, lines = policies.merge(self._roster.candidates)
        self._note(step, lines)

    async def _self_approval(self) -> bool:
        """Whether the node passes, because it was the submitter's alone and she is skipped."""
        submitter = self._asking.request.submitter
        own = [each for each in self._roster.candidates if each.user_id == submitter]
        rule = self._asking.node.policies.self_approval
        if not own or rule == "self":
            self._note("self", [{"code": "self_self", "user": str(submitter)}] if own else [])
            return False
        instead = await self._instead_of_submitter(rule)
        line = {"code": f"self_{rule}" if instead or rule in {"skip", "forbid"} else "self_nobody"}
        line["user"] = str(submitter)
        for each in own:
            if instead is not None:
                each.trace.extend([{**line, "to": str(instead.user_id)}, *instead.trace])
                each.user_id, each.principal_id = instead.user_id, instead.principal_id
            else:
                self._roster.candidates.remove(each)
        self._note("self", [{**line, "to": str(instead.user_id)} if instead is not None else line])
        self._roster.candidates, _ = policies.merge(self._roster.candidates)
        return rule == "skip" and not self._roster.candidates

    async def _instead_of_submitter(self, rule: str) -> Candidate | None:
        """Who decides in the submitter's place: the nearest above her who is not, by a substitute, she again."""
        above = await policies.above_submitter(self._staff, self._asking.request, rule)
        active = await self._staff.active(above)
        for user in above:
            if user not in active:
                continue
            candidate = Candidate(user)
            await self._replace_absent([candidate])
            if candidate.user_id != self._asking.request.submitter:
                return candidate
        return None

    def _repeated(self) -> None:
        lines = policies.approved_before(
            self._roster.candidates, self._asking.earlier, self._asking.node.policies.repeat_approver
        )
        self._note("repeat", lines)

    def _draw(self) -> None:
        asking = self._asking
        lot = f"{asking.request.id}:{asking.request.node}"
        self._roster.candidates, lines = policies.draw(self._roster.candidates, lot, asking.asked)
        self._note("lot", lines)

    async def _empty(self) -> None:
        rule = self._asking.node.policies.empty
        if rule.action == "approve":
            self._stop("approve", _PASSES, "empty_approve")
        elif rule.action == "reject":
            self._stop("reject", _REJECTS, "empty_reject")
        elif rule.action == "block":
            self._block(_NOBODY)
        else:
            named = [Who(type="user", value=user) for user in rule.users] if rule.action == "users" else []
            await self._call_in(named)

    async def _call_in(self, named: Sequence[Who]) -> None:
        """Ask those whom the node names, else the process's administrators, else the tenant's."""
        for code, sought in (
            ("empty_users", named),
            ("empty_admin", self._asking.flow.settings.admins),
            ("empty_tenant_admin", None),
        ):
            users = await self._staff.administrators() if sought is None else await self._all_of(sought)
            found = await self._who_could(users)
            if found:
                for each in found:
                    each.trace.insert(0, {"code": code})
                self._roster.candidates = found
                self._note("empty", [{"code": code, "users": [str(each.user_id) for each in found]}])
                return
        self._block(_NO_ADMINISTRATOR)

    async def _all_of(self, sought: Sequence[Who]) -> list[UUID]:
        return [user for who in sought for user in await self._staff.members(who)]

    async def _who_could(self, users: Sequence[UUID]) -> list[Candidate]:
        active = await self._staff.active(users)
        found = [Candidate(user) for user in dict.fromkeys(users) if user in active]
        await self._replace_absent(found)
        if self._asking.node.policies.self_approval != "self":
            found = [each for each in found if each.user_id != self._asking.request.submitter]
        return policies.merge(found)[0]

    def _block(self, reason: Texts) -> None:
        why = {name: "; ".join(each[name] for each in self._roster.warnings) for name in reason}
        said = {name: f"{text} ({why[name]})" if why[name] else text for name, text in reason.items()}
        self._stop("block", said, "empty_block")

    # -- trace --------------------------------------------------------------------------------------------------

    def _note(self, step: str, lines: Sequence[dict[str, Any]]) -> None:
        entry = {"step": step, "people": len(self._roster.candidates), "lines": [dict(line) for line in lines]}
        self._roster.trace.append(entry)

    def _warn(self, warnings: Sequence[Texts]) -> None:
        self._roster.warnings.extend(each for each in warnings if each not in self._roster.warnings)

    def _stop(self, verdict: Verdict, reason: Texts, code: str = "") -> Roster:
        self._roster.candidates = []
        self._roster.verdict, self._roster.reason = verdict, reason
        if code:
            self._note("empty", [{"code": code}])
        return self._roster


_TOO_MANY: Texts = {
    "en": f"The rules name more than {MAX_PEOPLE} people.",
    "zh-CN": f"规则选出的人超过 {MAX_PEOPLE} 个。",
}
_ONLY_SUBMITTER: Texts = {
    "en": "Only the submitter would decide, and is skipped.",
    "zh-CN": "处理人只有提交人本人，自动跳过。",
}
_PASSES: Texts = {"en": "Nobody was found, and the node passes then.", "zh-CN": "没有找到处理人，该节点自动通过。"}
_REJECTS: Texts = {"en": "Nobody was found, and the node rejects then.", "zh-CN": "没有找到处理人，该节点自动拒绝。"}
_NOBODY: Texts = {"en": "Nobody was found who could decide.", "zh-CN": "没有找到可以处理的人。"}
_NO_ADMINISTRATOR: Texts = {
    "en": "Nobody was found who could decide, and there is no administrator either.",
    "zh-CN": "没有找到可以处理的人，也没有管理员。",
}
_PROXY_CODES = frozenset({"proxy", "absent", "substitute_gone", "circle", "chain_too_long"})

__all__ = ["MAX_PEOPLE", "Pipeline", "stand_ins"]
