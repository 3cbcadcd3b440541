"""Who is where, who leads, who is whose boss: over HTTP and through the ports."""

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from riveredge_directory import plugin
from riveredge_sdk import get_service, unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.features.directory import DIRECTORY
from riveredge_sdk.features.people import GROUPS
from riveredge_sdk.testing.platform import ApiClient, EngineControl, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .org import BASE, Org

pytestmark = pytest.mark.database
Ask = Callable[..., Any]


@pytest.fixture
def org(client: ApiClient) -> Org:
    """The organisation of the test's tenant."""
    return Org(client)


@pytest.fixture
def people(as_user: AsUser) -> Callable[[int], list[str]]:
    """`people(3)`: the ids of three new members."""

    def make(count: int) -> list[str]:
        return [Org.me(as_user(())) for _ in range(count)]

    return make


@pytest.fixture
def ask(platform: PlatformUnderTest, tenant: TestTenant) -> Ask:
    """Ask a port, as another plugin does."""

    def run(question: Callable[[], Awaitable[Any]], *, read_only: bool = True) -> Any:
        async def work() -> Any:
            with use_context(platform.context(tenant)):
                async with unit_of_work(read_only=read_only):
                    return await question()

        return platform.run(work())

    return run


def ids(users: list[str]) -> list[UUID]:
    return [UUID(user) for user in users]


def test_managers_come_from_lines_and_heads_and_skip_who_has_left(
    org: Org, people: Callable[[int], list[str]], ask: Ask
) -> None:
    boss, lead, second, dev, friend = people(5)
    top = org.department("acme", heads=(boss,))
    sales = org.department("sales", top, heads=(lead, second))
    team = org.department("team", sales)  # without heads: it is led from above
    lab = org.department("lab", top, heads=(friend,))
    org.join(boss, top)
    org.join(lead, sales)
    place = org.join(dev, team)
    org.join(dev, lab, main=False)

    assert place["main"] is True
    assert org.chain(dev) == [lead, boss]
    assert org.chain(dev, department="lab") == [friend, boss]
    # A head's manager is the head above; whoever shares the lead is none.
    assert (org.chain(lead), org.chain(second), org.chain(boss)) == ([boss], [], [])
    assert org.chain(second, department="sales") == [boss]

    # A line goes before the head; one of a department before a general one.
    general = org.post("reporting-lines", user_id=dev, manager_id=second)
    assert org.chain(dev) == [second]  # who belongs nowhere, and has no manager
    org.join(second, sales)
    assert org.chain(dev) == [second, boss]
    org.post("reporting-lines", user_id=dev, manager_id=friend, department_id=lab)
    assert org.chain(dev, department=lab)[0] == friend
    why = org.get(f"people/{dev}", department="lab")
    assert [(each["by"], each["why"]) for each in why["chain"]] == [
        ("line", "Reporting line in Lab"),
        ("head", "Head of Acme"),
    ]
    assert [(each["path"], each["main"]) for each in why["departments"]] == [
        (["Acme", "Sales", "Team"], True),
        (["Acme", "Lab"], False),
    ]

    async def port() -> Any:
        directory = get_service(DIRECTORY)
        mine = await directory.departments_of(UUID(dev))
        return (
            [department.key for department in mine],
            [list(await directory.heads("team", level=level)) for level in range(4)],
            list(await directory.members("acme", include_children=True)),
            list((await directory.managers(UUID(dev), limit=1)).users),
        )

    keys, heads, members, first = ask(port)
    assert keys == ["team", "lab"]
    assert heads == [[], ids([lead, second]), ids([boss]), []]
    assert members == sorted(ids([boss, lead, second, dev]))
    assert first == ids([second])

    # Who is deactivated leads nobody; the chain goes on above.
    _deactivate(org.client, second)
    _deactivate(org.client, lead)
    assert org.chain(dev) == [boss]
    _, heads, members, _ = ask(port)
    assert heads == [[], [], ids([boss]), []]
    assert members == sorted(ids([boss, dev]))
    assert org.get("departments/tree")[0]["children"][0]["heads"] == []
    assert org.patch("reporting-lines", general, valid_until="2000-01-01").json()["errors"][0]["code"] == "order"

    async def unknown() -> Any:
        for refused in (
            get_service(DIRECTORY).members("nowhere"),
            get_service(DIRECTORY).heads(str(UUID(int=7))),
            get_service(DIRECTORY).managers(UUID(dev), department="nowhere"),
            get_service(GROUPS).members("nobody"),
        ):
            with pytest.raises(LookupError):
                await refused
        return await get_service(DIRECTORY).department("nowhere")

    assert ask(unknown) is None


def test_what_holds_from_a_later_day_takes_effect_by_itself(
    org: Org, people: Callable[[int], list[str]], ask: Ask, engine: EngineControl
) -> None:
    old, new, dev = people(3)
    a, b = org.department("a", heads=(old,)), org.department("b", heads=(new,))
    today = engine.now().date()
    tomorrow, later = today + timedelta(days=1), today + timedelta(days=10)
    first = org.join(dev, a)
    moved = org.post(f"people/{dev}/transfer", department_id=b, valid_from=str(tomorrow))
    away = org.post(
        "absences", user_id=dev, valid_from=str(tomorrow), valid_until=str(later), substitutes=[new, old], note="secret"
    )

    async def port() -> Any:
        found = await get_service(DIRECTORY).substitutes([UUID(dev), UUID(old)])
        return {str(user): [str(each) for each in stands_in] for user, stands_in in found.items()}

    assert (org.chain(dev), org.chain(dev, at=str(tomorrow))) == ([old], [new])
    assert ask(port) == {}
    engine.advance(days=1)
    assert (org.chain(dev), org.chain(dev, at=str(today))) == ([new], [old])
    assert ask(port) == {dev: [new, old]}
    place = org.get(f"people/{dev}")
    assert [each["department"]["key"] for each in place["departments"]] == ["b"]
    assert place["absence"] == {
        "until": str(later),
        "substitutes": [{"id": new, "name": place_name(org, new)}, {"id": old, "name": place_name(org, old)}],
    }
    history = org.get("memberships", history=True, sort="valid_from")["items"]
    assert [(row["id"], row["valid_until"]) for row in history] == [(first["id"], str(today)), (moved["id"], None)]
    engine.advance(days=11)
    assert ask(port) == {}
    assert org.get("absences")["items"] == []
    assert org.ids("absences", history=True) == [away["id"]]
    # What has ended does not keep a department; who is in it does.
    department = org.client.get(f"{BASE}/departments/{b}").json()
    refused = org.delete("departments", department)
    assert (refused.status_code, refused.json()["memberships"]) == (409, 1)
    assert org.delete("departments", org.client.get(f"{BASE}/departments/{a}").json()).status_code == 204


def place_name(org: Org, user_id: str) -> str:
    """As others see it."""
    return str(org.get(f"people/{user_id}")["user"]["name"])


def _deactivate(client: ApiClient, user_id: str) -> None:
    found = client.get("/api/v1/members", params={"filter": _of(user_id)}).json()["items"]
    place = f"/api/v1/members/{found[0]['id']}"
    etag = client.get(place).headers["ETag"]
    assert client.patch(place, json={"active": False}, headers={"If-Match": etag}).status_code == 200


def test_one_department_is_the_main_one_on_each_day(org: Org, people: Callable[[int], list[str]]) -> None:
    (dev,) = people(1)
    a, b, c = (org.department(key) for key in "abc")
    today = date.fromisoformat(org.get(f"people/{dev}")["at"])
    day = [str(today + timedelta(days=number)) for number in range(40)]
    first = org.join(dev, a, valid_from=day[0])
    second = org.join(dev, b, valid_from=day[0])
    assert (first["main"], second["main"]) == (True, False)
    # For ten days another one is: what is before and after stays.
    org.join(dev, c, valid_from=day[10], valid_until=day[19], main=True)
    mains = {
        number: [row["department"]["key"] for row in org.get(f"people/{dev}", at=day[number])["departments"]]
        for number in (0, 9, 10, 19, 20)
    }
    assert mains == {0: ["a", "b"], 9: ["a", "b"], 10: ["c", "b", "a"], 19: ["c", "b", "a"], 20: ["a", "b"]}
    assert org.patch("memberships", second, main=True).json()["main"] is True
    assert {row["main"] for row in org.get("memberships", at=day[15], filter=_of(dev))["items"]} == {True, False}
    assert len([row for row in org.get("memberships", at=day[15], filter=_of(dev))["items"] if row["main"]]) == 1
    problem = org.refused("memberships", "overlap", user_id=dev, department_id=b, valid_from=day[30])
    assert problem["other"] == second["id"]
    org.refused("memberships", "order", user_id=dev, department_id=b, valid_from=day[3], valid_until=day[2])
    org.refused("memberships", "unknown", user_id=str(UUID(int=7)), department_id=b)
    org.refused("memberships", "unknown", user_id=dev, department_id=str(UUID(int=7)))
    org.refused("memberships", "unknown", user_id=dev, department_id=b, position_id=str(UUID(int=7)))


def _of(user_id: str) -> str:
    return '{"match": "all", "conditions": [{"field": "user_id", "op": "eq", "value": "' + user_id + '"}]}'


def test_groups_hold_people_departments_and_groups(org: Org, people: Callable[[int], list[str]], ask: Ask) -> None:
    one, two, three = sorted(people(3))
    top = org.department("top")
    below = org.department("below", top)
    org.join(one, below)
    org.join(two, top)
    inner, outer, shallow = (org.post("groups", key=key, name=key) for key in ("inner", "outer", "shallow"))
    place = org.post(f"groups/{inner['id']}/members", department_id=top)
    org.post(f"groups/{outer['id']}/members", member_group_id=inner["id"])
    org.post(f"groups/{outer['id']}/members", user_id=three)
    org.post(f"groups/{shallow['id']}/members", department_id=top, include_children=False)

    async def port() -> Any:
        groups = get_service(GROUPS)
        found, after = [], None
        while page := await groups.members("outer", after=after, limit=1):
            found.append(str(page[0]))
            after = page[0]
        return found, [str(each) for each in await groups.members("shallow")]

    assert ask(port) == ([one, two, three], [two])
    page = org.get(f"groups/{outer['id']}/people", limit=2)
    assert [each["id"] for each in page["items"]] == [one, two]
    rest = org.get(f"groups/{outer['id']}/people", limit=2, cursor=page["next"])
    assert ([each["id"] for each in rest["items"]], rest["next"]) == ([three], None)
    assert [each["key"] for each in org.get(f"people/{one}")["groups"]] == ["inner", "outer"]
    assert [each["key"] for each in org.get(f"people/{two}")["groups"]] == ["inner", "outer", "shallow"]
    # The messages of messaging reach them.
    sent = org.client.post(
        "/api/v1/messaging/messages",
        json={
            "template": "messaging.welcome",
            "groups": ["outer"],
            "data": {"product": "x"},
            "channels": ["messaging.in_app"],
        },
    )
    assert sent.status_code == 202, sent.text

    org.refused(f"groups/{inner['id']}/members", "cycle", member_group_id=outer["id"])
    org.refused(f"groups/{inner['id']}/members", "cycle", member_group_id=inner["id"])
    org.refused(f"groups/{inner['id']}/members", "overlap", department_id=top)
    refused = org.client.post(f"{BASE}/groups/{inner['id']}/members", json={"user_id": one, "department_id": top})
    assert refused.status_code == 422
    assert org.delete("groups", inner).status_code == 409
    wrong = f"{BASE}/groups/{outer['id']}/members/{place['id']}"
    assert org.client.delete(wrong, headers={"If-Match": '"1"'}).status_code == 404
    assert org.delete(f"groups/{inner['id']}/members", place).status_code == 204
    assert ask(port) == ([three], [two])


def test_the_organisation_goes_in_no_circle_whoever_changes_it_at_the_same_time(
    org: Org, people: Callable[[int], list[str]]
) -> None:
    a = org.department("a")
    b = org.department("b", a)
    c = org.department("c", b)
    rows = {key: org.client.get(f"{BASE}/departments/{key}").json() for key in (a, b, c)}
    for parent in (a, b, c):
        refused = org.patch("departments", rows[a], parent_id=parent)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "cycle"), refused.text
    assert "a → c → b → a" in org.patch("departments", rows[a], parent_id=c).json()["detail"]

    one, two, three = people(3)
    org.post("reporting-lines", user_id=one, manager_id=two)
    org.post("reporting-lines", user_id=two, manager_id=three)
    org.refused("reporting-lines", "cycle", user_id=three, manager_id=one)
    org.refused("reporting-lines", "cycle", user_id=three, manager_id=three)
    org.refused("reporting-lines", "cycle", user_id=three, manager_id=one, department_id=a)
    org.refused("reporting-lines", "overlap", user_id=one, manager_id=three)

    # In two departments it is none, and neither on days that do not meet.
    four, five = people(2)
    org.post("reporting-lines", user_id=four, manager_id=five, department_id=a)
    org.post("reporting-lines", user_id=five, manager_id=four, department_id=b)
    six, seven = people(2)
    org.post("reporting-lines", user_id=six, manager_id=seven, valid_from="2030-01-01", valid_until="2030-01-31")
    org.post("reporting-lines", user_id=seven, manager_id=six, valid_from="2030-02-01")
    org.refused("reporting-lines", "overlap", user_id=six, manager_id=one, valid_from="2030-01-31")
    org.refused("reporting-lines", "cycle", user_id=six, manager_id=seven, valid_from="2030-02-01")
    # What rules cannot see, a chain ends at: the head of a department reports to one of its members.
    head, member = people(2)
    d = org.department("d", heads=(head,))
    org.join(member, d)
    org.post("reporting-lines", user_id=head, manager_id=member)
    found = org.get(f"people/{member}/managers")
    assert ([each["user"]["id"] for each in found["chain"]], found["cut"]) == ([head], True)

    # Two moves, two lines, two groups at once, which together would go round: one is refused each time.
    for number in range(4):
        x, y = org.department(f"x{number}"), org.department(f"y{number}")
        left, right = (org.client.get(f"{BASE}/departments/{key}").json() for key in (x, y))
        assert _together(
            lambda left=left, y=y: org.patch("departments", left, parent_id=y),  # type: ignore[misc]
            lambda right=right, x=x: org.patch("departments", right, parent_id=x),  # type: ignore[misc]
        ) == [200, 409]
        p, q = people(2)
        assert _together(*(_posts(org, "reporting-lines", user_id=u, manager_id=m) for u, m in ((p, q), (q, p)))) == [
            201,
            409,
        ]
        g, h = (org.post("groups", key=f"{key}{number}", name=key)["id"] for key in "gh")
        assert _together(
            *(_posts(org, f"groups/{outer}/members", member_group_id=inner) for outer, inner in ((g, h), (h, g)))
        ) == [201, 409]
        assert _together(*(_posts(org, "absences", user_id=p) for _ in range(3))) == [201, 409, 409]


def _posts(org: Org, path: str, **body: Any) -> Callable[[], Any]:
    return lambda: org.client.post(f"{BASE}/{path}", json=body)


def _together(*requests: Callable[[], Any]) -> list[int]:
    """The states of the answers to requests that are under way at the same time."""
    with ThreadPoolExecutor(len(requests)) as pool:
        return sorted(answer.status_code for answer in pool.map(lambda request: request(), requests))


def test_everybody_keeps_their_own_absences(
    org: Org, as_user: AsUser, people: Callable[[int], list[str]], ask: Ask
) -> None:
    ada, other = as_user(()), as_user(())
    stands_in, gone = people(2)
    mine = Org(ada)
    me = Org.me(ada)
    row = mine.post("me/absences", substitutes=[stands_in, gone], note="Back pain", valid_until="2999-01-01")
    assert [each["id"] for each in row["substitutes"]] == [stands_in, gone]
    for code, body in {
        "self": {"substitutes": [me]},
        "duplicate": {"substitutes": [stands_in, stands_in]},
        "unknown": {"substitutes": [str(UUID(int=7))]},
    }.items():
        refused = mine.patch("me/absences", row, **body)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, code), refused.text
    mine.refused("me/absences", "overlap", valid_from="2998-01-01")
    assert ada.get(f"{BASE}/absences").status_code == 403
    assert ada.post(f"{BASE}/me/absences", json={"user_id": stands_in}).status_code == 422
    theirs = f"{BASE}/me/absences/{row['id']}"
    assert other.get(theirs).status_code == 404
    assert other.patch(theirs, json={"note": "x"}, headers={"If-Match": '"1"'}).status_code == 404
    assert other.delete(theirs, headers={"If-Match": '"1"'}).status_code == 404

    changed = mine.patch("me/absences", row, substitutes=[gone]).json()
    assert (changed["version"], mine.patch("me/absences", row, note="").status_code) == (2, 412)
    _deactivate(org.client, gone)

    async def port() -> Any:
        return await get_service(DIRECTORY).substitutes([UUID(me)])

    assert ask(port) == {UUID(me): []}
    seen = org.get(f"people/{me}")
    assert "Back pain" not in str(seen)
    assert seen["absence"] == {"until": "2999-01-01", "substitutes": []}
    assert Org(ada).get("me")["user"]["id"] == me

    # What the plugin holds about somebody can be taken along, and erased.
    held = ask(lambda: plugin.export_personal_data(UUID(me)))
    assert held["absences"][0]["note"] == "Back pain"
    assert mine.patch("me/absences", changed, valid_until=None).json()["valid_until"] is None
    assert ask(lambda: plugin.erase_personal_data(UUID(me)), read_only=False) == 1
    assert ada.get(f"{BASE}/me/absences", params={"history": True}).json()["items"] == []


def test_two_departments_become_one_from_a_day_on(org: Org, people: Callable[[int], list[str]]) -> None:
    boss, old, new, both, dev = people(5)
    top = org.department("top", heads=(boss,))
    a, b = org.department("a", top, heads=(old,)), org.department("b", top, heads=(new,))
    below = org.department("below", a)
    deeper = org.department("deeper", below)
    today = date.fromisoformat(org.get(f"people/{dev}")["at"])
    day = [str(today + timedelta(days=number)) for number in (0, 9, 10)]
    org.join(dev, a)
    org.join(both, a)
    org.join(both, b)
    org.post("reporting-lines", user_id=dev, manager_id=both, department_id=a)
    group = org.post("groups", key="g", name="G")
    org.post(f"groups/{group['id']}/members", department_id=a)

    org.refused(f"departments/{a}/merge", "self", into_id=a)
    org.refused(f"departments/{a}/merge", "unknown", into_id=str(UUID(int=7)))
    merged = org.post(f"departments/{a}/merge", into_id=b, valid_from=day[2])
    assert merged == {"departments": 1, "memberships": 2, "heads": 1, "reporting_lines": 1, "group_members": 1}
    for at, place, chain, heads in (
        (day[1], "a", [both, new, boss], {"a": [old], "b": [new]}),
        (day[2], "b", [both, new, boss], {"a": [], "b": [new, old]}),
    ):
        assert org.get(f"people/{dev}", at=at)["departments"][0]["department"]["key"] == place
        assert org.chain(dev, at=at)[:1] == chain[:1]
        found = {
            key: [each["id"] for each in org.get(f"departments/{row}", at=at)["heads"]]
            for key, row in (("a", a), ("b", b))
        }
        assert found == heads
        mine = org.get(f"people/{both}", at=at)["departments"]
        assert (mine[0]["department"]["key"], mine[0]["main"]) == (place, True)
        assert {each["id"] for each in org.get(f"groups/{group['id']}/people", at=at)["items"]} == {dev, both}
    assert org.get(f"departments/{below}")["parent_id"] == b
    # Into one that is below it: that comes out first, and takes the rest below it.
    org.post(f"departments/{b}/merge", into_id=deeper)
    parents = {row["key"]: row["parent_id"] for row in org.get("departments")["items"]}
    assert (parents["deeper"], parents["below"], parents["b"]) == (top, deeper, top)
