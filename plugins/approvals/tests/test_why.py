"""Why somebody is asked, and why a request went the way it went: as those may read it who see the request."""

from typing import Any

import pytest

from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver, choice, inclusive, when
from .requests import API, Publish, decide, submit, todo, user_of

pytestmark = pytest.mark.database


def ways(who: ApiClient, request: dict[str, Any]) -> dict[str, dict[str, Any]]:
    answer = who.get(f"{API}/instances/{request['id']}/branches")
    assert answer.status_code == 200, answer.text
    return {way["node"]: way for way in answer.json()["items"]}


def test_reasons_are_told_and_hidden_fields_are_not(
    as_user: AsUser, published: Publish, other_tenant: TestTenant
) -> None:
    li, wang, zhao, deputy = (as_user({REQUEST_USE}) for _ in range(4))
    process = published(
        approver("never", user=user_of(zhao), skip_when=when("form.amount", "lt", 9000)),
        choice(
            "size",
            (when("form.amount", "gt", 8000), [approver("ceo", user=user_of(zhao))]),
            (when("form.amount", "between", [100, 8000]), [approver("mgr", users=[user_of(wang)], allow=["transfer"])]),
            (when("form.amount", "gt", 50), []),
            (None, []),
        ),
        inclusive(
            "which",
            (when("form.amount", "gt", 5000), [approver("fin", user=user_of(wang), fields={"amount": "hidden"})]),
            (
                when("nodes.mgr.outcome", "eq", "approved"),
                [approver("law", user=user_of(zhao), fields={"*": "hidden"})],
            ),
            (None, []),
        ),
    )
    request = submit(li, process, form={"amount": 6000})
    task = todo(wang, "mgr")
    why = wang.get(f"{API}/tasks/{task['id']}/why").json()
    assert why["why"] == [
        {"en": f"{why['user']['name']}: named by the process.", "zh-CN": f"{why['user']['name']}：流程指定。"}
    ]
    assert why["trace"][0]["code"] == "found"
    assert [step["step"] for step in why["roster"]][:2] == ["resolver", "groups"]
    assert wang.post(f"{API}/tasks/{task['id']}/transfer", json={"to": str(user_of(deputy))}).status_code == 200
    handed = todo(deputy, "mgr")
    told = li.get(f"{API}/tasks/{handed['id']}/why").json()
    assert told["why"][0]["en"] == f"{why['user']['name']} handed the task on."
    assert (told["origin"], told["why"][0]["zh-CN"]) == ("transfer", f"由 {why['user']['name']} 转交。")

    # Who sees all of the form: each branch, taken or not, with the values of that moment.
    seen = ways(li, request)
    assert seen["never"]["skipped"]["en"] == "Skipped, because it held: amount (6000) is less than 9000."
    ceo, mgr, third, rest = seen["size"]["branches"]
    assert (ceo["holds"], ceo["taken"], ceo["values"]) == (False, False, {"form.amount": 6000})
    assert mgr["why"]["en"] == "Taken, because it held: amount (6000) is between 100 and 8000."
    assert mgr["why"]["zh-CN"] == "条件成立，因此走此分支：amount (6000) 介于 100 和 8000。"
    assert (third["holds"], third["why"]["en"]) == (None, "Not looked at, because one before it held.")
    assert rest["why"]["en"] == "Not taken, because another condition held."
    assert seen["size"]["at"] is not None

    # On their nodes the amount is hidden from them, and so is what would tell of it.
    assert decide(deputy, handed).status_code == 200
    todo(zhao, "law")
    fin, law, _ = ways(zhao, request)["which"]["branches"]
    assert (fin["taken"], fin["values"]) == (True, {})
    assert fin["condition"]["en"] == "amount (•••) is more than •••"
    assert law["values"] == {"nodes.mgr.outcome": "approved"}
    assert law["condition"]["zh-CN"] == "“mgr”的结果 (approved) 等于 approved"
    assert not any(secret in str(ways(zhao, request)) for secret in ("6000", "8000", "9000"))
    # Wang was asked on a node, too, where it is not hidden.
    assert ways(wang, request)["which"]["branches"][0]["values"] == {"form.amount": 6000}

    stranger, elsewhere = as_user({REQUEST_USE}), as_user({REQUEST_USE}, tenant=other_tenant)
    for who in (stranger, elsewhere):
        assert who.get(f"{API}/tasks/{task['id']}/why").status_code == 404
        assert who.get(f"{API}/instances/{request['id']}/branches").status_code == 404
