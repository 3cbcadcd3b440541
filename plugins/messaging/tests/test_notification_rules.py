"""Messages that are sent by themselves: when events happen, and so long before or after dates in them."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from riveredge_sdk import EventType, Permission, Plugin, Router, publish
from riveredge_sdk.testing.platform import ApiClient, EngineControl, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser

RULES, MESSAGES = "/api/v1/messaging/notification-rules", "/api/v1/messaging/messages"
ORDERS = "/api/v1/orders/orders"


class Buyer(BaseModel):
    """Who has ordered."""

    id: UUID | None = None
    city: str = ""


class Order(BaseModel):
    """What the event tells."""

    order: str
    amount: float | None = None
    urgent: bool = False
    due_on: date | None = None
    buyer: Buyer = Field(default_factory=Buyer)
    team: list[UUID] = Field(default_factory=list)
    more: dict[str, Any] = Field(default_factory=dict)


PLACED = EventType("orders/order.placed", Order, "An order was placed")
SHIPPED = EventType("orders/order.shipped", Order, "An order was shipped")
router = Router(tag="Orders")


@router.post("/orders/{what}", require="orders.order.write", status=202)
async def tell(what: str, body: Order) -> dict[str, str]:
    """Publish one."""
    return {"event": str(publish(PLACED if what == "placed" else SHIPPED, body))}


class OrdersPlugin(Plugin):
    """A plugin that nobody knew of when messaging was written."""

    id: ClassVar[str] = "orders"
    title: ClassVar[str] = "Orders"

    def routers(self) -> Iterable[Router]:
        return (router,)

    def permissions(self) -> Iterable[Permission]:
        return (Permission("orders.order.write", "Write orders"),)

    def event_types(self) -> Iterable[EventType[Any]]:
        return (PLACED, SHIPPED)


@pytest.fixture
def platform_plugins() -> Sequence[type[Plugin]]:
    return (OrdersPlugin,)


def rule(client: ApiClient, **values: Any) -> dict[str, Any]:
    """A rule that mails the client's user about orders above 100."""
    assert client.user is not None
    return {
        "title": "Large orders",
        "event": PLACED.name,
        "condition": {"conditions": [{"field": "event.amount", "op": "gt", "value": 100}]},
        "recipients": {"to": [str(client.user.id)]},
        "template": "messaging.welcome",
        "channels": ["messaging.in_app"],
        "data": {"product": {"field": "event.order"}},
        **values,
    }


def make(client: ApiClient, **values: Any) -> Any:
    answer = client.post(RULES, json=rule(client, **values))
    assert answer.status_code == 201, answer.text
    return answer.json()


def place(client: ApiClient, what: str = "placed", **values: Any) -> str:
    answer = client.post(f"{ORDERS}/{what}", json={"order": "A-1", "amount": 500, **values})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["event"])


def fired(client: ApiClient, made: Any) -> list[Any]:
    """What the rule did, oldest first."""
    found: list[Any] = client.get(f"{RULES}/{made['id']}/firings", params={"sort": "created_at"}).json()["items"]
    return found


def subjects(client: ApiClient) -> list[str]:
    items = client.get("/api/v1/messaging/inbox").json()["items"]
    return sorted(item["subject"] for item in items)


@pytest.mark.database
def test_an_event_sends_one_message_to_those_that_it_names(
    platform: PlatformUnderTest, client: ApiClient, as_user: AsUser, other_tenant: TestTenant
) -> None:
    ada, gone = as_user({"messaging.inbox.use"}), as_user({"messaging.inbox.use"}, tenant=other_tenant)
    assert client.user is not None
    assert ada.user is not None
    assert gone.user is not None
    eve = as_user(platform.permissions, tenant=other_tenant)
    there = {event["name"]: event for event in client.get(f"{RULES}/events").json()}
    assert {"approvals/instance.closed", "kernel/member.left", PLACED.name} <= there.keys()
    # Neither what would go in circles, nor the steps of others' own work.
    assert not any(name.startswith("messaging/") for name in there)
    assert not {"kernel/account_mail.requested", "approvals/visit.due"} & there.keys()
    fields = {field["name"]: field["type"] for field in there[PLACED.name]["fields"]}
    assert fields == {
        "event.order": "string",
        "event.amount": "number",
        "event.urgent": "boolean",
        "event.due_on": "date",
        "event.buyer.id": "string",
        "event.buyer.city": "string",
        "event.team": "list",
        "event.more": "object",
    }
    people = {"fields": ["event.buyer.id", "event.team"]}
    made = make(client, recipients=people)
    theirs = make(eve, recipients=people)
    for method in ("get", "delete"):
        assert getattr(eve, method)(f"{RULES}/{made['id']}", headers={"If-Match": '"1"'}).status_code == 404
    assert eve.get(f"{RULES}/{made['id']}/firings").status_code == 404
    assert eve.post(f"{RULES}/{made['id']}/try", json={"data": {}}).status_code == 404
    stranger = as_user({"messaging.message.read"})
    assert stranger.get(RULES).status_code == stranger.post(RULES, json=rule(client)).status_code == 403
    # Somebody is named twice, somebody is of another organisation, and something is no person.
    team = [str(client.user.id), str(ada.user.id), str(gone.user.id)]
    event = place(client, buyer={"id": str(ada.user.id)}, team=team)
    place(client, amount=100, team=team)
    platform.settle()
    assert (subjects(client), subjects(ada), subjects(gone)) == (["Welcome to A-1"], ["Welcome to A-1"], [])
    (done,) = fired(client, made)
    assert (done["event_id"], done["state"], str(gone.user.id) in done["detail"]) == (event, "sent", True)
    assert fired(eve, theirs) == []
    timeline = client.get(f"{MESSAGES}/{done['message_id']}/timeline").json()
    said = [each["words"] for each in timeline["decisions"] if each["reason"] == "by_rule"]
    assert said == ["The notification rule “Large orders” has sent it, because of orders/order.placed."]
    # Nobody at all; a field that has no value; switched off.
    place(client, team=["00000000-0000-0000-0000-000000000001"])
    place(client, amount=None, team=team)
    platform.settle()
    assert [each["state"] for each in fired(client, made)] == ["sent", "skipped", "failed"]
    assert "event.amount has no value" in fired(client, made)[2]["detail"]
    assert client.post(f"{RULES}/{made['id']}/disable").json()["enabled"] is False
    place(client, team=team)
    platform.settle()
    assert len(fired(client, made)) == 3
    # What the other organisation's rule is about happens there.
    place(eve, team=[str(gone.user.id)])
    platform.settle()
    assert (len(fired(eve, theirs)), subjects(gone)) == (1, ["Welcome to A-1"])
    version = {"If-Match": f'"{client.get(RULES + "/" + made["id"]).json()["version"]}"'}
    assert client.delete(f"{RULES}/{made['id']}", headers={"If-Match": '"1"'}).status_code == 412
    assert client.delete(f"{RULES}/{made['id']}", headers=version).status_code == 204
    assert client.get(f"{MESSAGES}/{done['message_id']}").status_code == 200


@pytest.mark.database
def test_an_event_that_comes_again_is_not_taken_twice(engine: EngineControl, client: ApiClient) -> None:
    made = make(client)
    # The answer of the call is lost, so that the engine makes it once more.
    engine.fail("lost-answer", function="riveredge-messaging-apply_rules", times=2)
    place(client)
    engine.platform.settle()
    engine.advance(hours=1)
    engine.run_until_idle()
    assert (len(fired(client, made)), subjects(client)) == (1, ["Welcome to A-1"])


@pytest.mark.database
def test_dates_plan_move_and_cancel_messages(engine: EngineControl, client: ApiClient) -> None:
    today = engine.now().date()
    timing: dict[str, Any] = {
        "direction": "before",
        "days": 3,
        "field": "event.due_on",
        "at": "08:30",
        "subject": "event.order",
    }
    timing["cancel_on"] = [SHIPPED.name]
    made = make(client, title="Due soon", timing=timing)

    def states() -> list[str]:
        engine.platform.settle()
        return [each["state"] for each in fired(client, made)]

    place(client, due_on=str(today + timedelta(days=10)))
    place(client, order="B-2", due_on=str(today + timedelta(days=10)))
    place(client, order="C-3", due_on=str(today + timedelta(days=10)))
    assert states() == ["planned"] * 3
    first = fired(client, made)[0]
    assert first["due_at"].startswith(f"{today + timedelta(days=7)}T08:30")
    # A later date moves it, a shipment cancels it, and a smaller amount is not to be told of.
    place(client, due_on=str(today + timedelta(days=20)))
    place(client, "shipped", order="B-2")
    place(client, order="C-3", amount=1, due_on=str(today + timedelta(days=10)))
    assert states() == ["cancelled", "cancelled", "cancelled", "planned"]
    # What is over, or less than three days away, or no date.
    place(client, order="D-4", due_on=str(today - timedelta(days=1)))
    place(client, order="E-5", due_on=str(today + timedelta(days=2)))
    place(client, order="F-6")
    assert states()[4:] == ["skipped", "sent", "skipped"]
    assert subjects(client) == ["Welcome to E-5"]
    engine.advance(days=12)
    engine.run_until_idle()
    assert subjects(client) == ["Welcome to E-5"]
    engine.advance(days=6)
    engine.run_until_idle()
    assert states()[3] == "sent"
    assert subjects(client) == ["Welcome to A-1", "Welcome to E-5"]
    # So long after an event; switched off by then.
    later = make(client, title="A day after", timing={"direction": "after", "days": 1})
    place(client, order="G-7", due_on=str(today - timedelta(days=99)))
    engine.platform.settle()
    assert client.post(f"{RULES}/{later['id']}/disable").status_code == 200
    engine.advance(days=2)
    engine.run_until_idle()
    (done,) = fired(client, later)
    assert (done["state"], done["detail"]) == ("cancelled", "The rule is switched off.")
    assert len(subjects(client)) == 2


def test_a_rule_is_looked_at_before_it_is_kept(client: ApiClient, as_user: AsUser) -> None:
    missing = "00000000-0000-0000-0000-000000000001"
    one = {"field": "event.amount", "op": "gt", "value": 1}
    table: list[tuple[dict[str, Any], list[str]]] = [
        ({"event": "orders/order.lost"}, ["event"]),
        ({"event": "messaging/delivery.sent"}, ["event"]),
        ({"event": "no event"}, ["event"]),
        ({"event": "kernel/account_mail.requested"}, ["event"]),
        ({"condition": {"conditions": [{**one, "field": "event.price"}]}}, ["condition.conditions.0.field"]),
        ({"condition": {"conditions": [{**one, "field": "form.amount"}]}}, ["condition.conditions.0.field"]),
        ({"condition": {"conditions": [one, {**one, "op": "contains"}]}}, ["condition.conditions.1.op"]),
        ({"condition": {"conditions": [{**one, "value": "many"}]}}, ["condition.conditions.0.value"]),
        (
            {"condition": {"match": "any", "conditions": [{"match": "none", "conditions": [{**one, "value": None}]}]}},
            ["condition.conditions.0.conditions.0.value"],
        ),
        ({"condition": {"conditions": []}}, ["condition.conditions"]),
        ({"recipients": {}}, ["recipients"]),
        ({"recipients": {"to": [missing]}}, ["recipients.to.0"]),
        ({"recipients": {"roles": ["no.such"]}}, ["recipients.roles.0"]),
        ({"recipients": {"fields": ["event.amount"]}}, ["recipients.fields.0"]),
        ({"recipients": {"fields": ["event.nobody"]}}, ["recipients.fields.0"]),
        ({"template": "no.such"}, ["template"]),
        ({"category": "no.such"}, ["category"]),
        ({"channels": ["no.such"]}, ["channels.0"]),
        ({"data": {}}, ["data.product"]),
        ({"data": {"product": {"value": 7}}}, ["data.product"]),
        ({"data": {"product": {"value": "x"}, "price": {"value": 7}}}, ["data.price"]),
        ({"data": {"product": {}}}, ["data.product"]),
        ({"data": {"product": {"field": "event.nothing"}}}, ["data.product.field"]),
        ({"timing": {"direction": "before", "days": 1}}, ["timing"]),
        ({"timing": {"direction": "before", "field": "event.urgent"}}, ["timing.field"]),
        ({"timing": {"direction": "after", "cancel_on": [SHIPPED.name]}}, ["timing"]),
        (
            {"timing": {"direction": "after", "subject": "event.order", "cancel_on": ["kernel/member.left"]}},
            ["timing.cancel_on.0"],
        ),
        ({"timing": {"direction": "after", "days": 400}}, ["timing.days"]),
        ({"event": PLACED.name, "template": "no.such", "condition": {"conditions": [{**one, "field": "event.x"}]}},
         ["condition.conditions.0.field", "template"]),
    ]  # fmt: skip
    for values, wrong in table:
        answer = client.post(RULES, json=rule(client, **values))
        assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (422, wrong), answer.text
    few = as_user({"messaging.rule.write"})
    everybody = rule(client, recipients={"everyone": True})
    assert few.post(RULES, json=everybody).status_code == 403
    # What is deeper than is known may be there.
    open_field = {"conditions": [{"field": "event.more.colour", "op": "eq", "value": "red"}]}
    made = make(client, condition=open_field)
    place_ = f"{RULES}/{made['id']}"

    def tried(**data: Any) -> Any:
        answer = client.post(f"{place_}/try", json={"data": {"order": "A-1", **data}})
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert tried(more={"colour": "blue"})["outcome"] == "no_match"
    assert tried()["outcome"] == "fail"
    would = tried(more={"colour": "red"})
    assert (would["outcome"], would["read"]) == ("send", {"event.more.colour": "red"})
    assert would["message"]["recipients"][0]["deliveries"][0]["rendered"]["subject"] == "Welcome to A-1"
    assert tried(order=7, more={"colour": "red"})["outcome"] == "fail"
    new = client.post(f"{RULES}/try", json={"rule": rule(client, timing={"direction": "after", "days": 2}),
                                            "data": {"order": "A-1", "amount": 500}})  # fmt: skip
    assert (new.json()["outcome"], new.json()["due_at"] is not None) == ("plan", True)
    assert (fired(client, made), subjects(client)) == ([], [])
    changed = client.put(place_, json=rule(client, title="Other"), headers={"If-Match": '"1"'})
    assert (changed.json()["title"], changed.json()["version"]) == ("Other", 2)
    assert client.put(place_, json=rule(client), headers={"If-Match": '"1"'}).status_code == 412
    assert client.post(RULES, json=rule(client, title="Other")).status_code == 409
    found = client.get(RULES, params={"filter": '{"conditions":[{"field":"event","op":"eq","value":"x/y"}]}'})
    assert found.json()["items"] == []
