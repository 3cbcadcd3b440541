"""The organisation as tables: files as spreadsheets write them, dry runs, all or nothing, and back again."""

import csv
import io
from typing import Any

import pytest

from riveredge_directory.tables.cells import understand
from riveredge_directory.tables.files import content_of, read, write
from riveredge_sdk.problems import Problem
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .org import BASE, Org


def send(client: ApiClient, content: str | bytes, **query: Any) -> Any:
    """The answer to a file."""
    body = content.encode() if isinstance(content, str) else content
    return client.post(f"{BASE}/imports", content=body, params=query, headers={"Content-Type": "text/csv"})


def brought_in(client: ApiClient, content: str | bytes, **query: Any) -> dict[str, Any]:
    """The report of a file that is right."""
    answer = send(client, content, **query)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


def exported(client: ApiClient, kind: str, **query: Any) -> Any:
    """The file."""
    answer = client.get(f"{BASE}/exports/{kind}", params=query)
    assert answer.status_code == 200, answer.text
    return answer


def actions(report: dict[str, Any]) -> list[str]:
    return [line["action"] for line in report["lines"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_files_are_read_as_spreadsheets_write_them(encoding: str, separator: str) -> None:
    lines = [
        ["部门编码", "部门 名称", "负责人邮箱", "电话"],
        ["rd", '研发,"甲"; 𠮷', "wei@x.example", "'+86"],
        [],
        ["", "", "", ""],
    ]
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(lines)
    content = text.getvalue().encode(encoding)
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n' + content + b"\r\n--x--\r\n"
    assert content_of("multipart/form-data; boundary=x", form) == content
    sheet = read(content, max_lines=1)
    assert (sheet.separator, sheet.encoding) == (separator, encoding.removesuffix("-sig"))
    table = understand(sheet, None)
    (line,) = table.lines
    assert (table.kind, table.ignored) == ("departments", ["电话"])
    assert (line.line.number, line.code("code"), line.text("name")) == (2, "rd", '研发,"甲"; 𠮷')


def test_formulas_are_quoted_and_come_back_as_they_were() -> None:
    cells = ["=1+1", "+1", "-1", "@sum", "'=x", "''-y", "'plain", "plain", "a=b", 'say "hi"\nthere']
    for encoding in ("utf-8", "gb18030"):
        content = write(["Code"], [[cell] for cell in cells], encoding)
        written = [
            row[0] for row in csv.reader(io.StringIO(content.decode("utf-8-sig" if encoding == "utf-8" else encoding)))
        ]
        assert not [cell for cell in written if cell.startswith(("=", "+", "-", "@"))]
        assert [line.cells[0] for line in read(content, max_lines=20).lines] == cells


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"\r\n ,\r\n", "empty"),
        (b"PK\x03\x04workbook", "workbook"),
        (b"code,name\r\n\xff\xff\xff", "encoding"),
        (b'code,name\r\na,"b\r\nc', "csv"),
        (b"code,name\r\na,b\x00", "control"),
        (b"code\na\nb\nc\n", "too_long"),
        (b"phone,name\na,b\n", "columns"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(content: bytes, code: str) -> None:
    with pytest.raises(Problem) as refused:
        understand(read(content, max_lines=2), None)
    assert refused.value.errors[0].code == code


@pytest.mark.database
def test_an_organisation_comes_in_from_tables_and_goes_out_again(client: ApiClient, as_user: AsUser) -> None:
    org = Org(client)
    boss, lead, dev = (as_user(()) for _ in range(3))
    b, h, d = (str(each.user.email) for each in (boss, lead, dev) if each.user is not None)
    org.post("positions", key="engineer", title="工程师")
    departments = (
        "Code,Name,Parent code,Heads,From,Phone\r\n"
        f"TEAM,Team,sales,,,1\r\n"  # below one that comes later
        f"sales,=Sales,acme,{h}; {b},2024/3/1,2\r\n"
        f"acme,Acme 公司,,{b.upper()},2024年1月1日,3\r\n"
    )
    # A dry run says it all, and does nothing of it.
    told = brought_in(client, departments, dry_run=True)
    assert (actions(told), told["ignored"], told["dry_run"]) == (["created"] * 3, ["Phone"], True)
    assert org.get("departments")["items"] == []
    done = brought_in(client, departments)
    assert done["lines"] == told["lines"]
    assert actions(brought_in(client, departments)) == ["unchanged"] * 3

    people = (
        "邮箱;部门编码;主部门;职位;上级邮箱;生效日期\r\n"
        f"{d};team;是;工程师;{h};2024-05-01\r\n"
        f"{d};acme;;;;\r\n"
        f"{h};sales;;;;\r\n"
        f"{h};;;;{b};\r\n"
    ).encode("gb18030")
    assert actions(brought_in(client, people, dry_run=True)) == ["created"] * 4
    assert org.get("memberships")["items"] == []
    report = brought_in(client, people)
    assert (report["encoding"], report["separator"], report["created"]) == ("gb18030", ";", 4)
    assert actions(brought_in(client, people)) == ["unchanged"] * 4
    assert org.chain(org.me(dev)) == [org.me(lead), org.me(boss)]
    first = org.get(f"people/{org.me(dev)}")["departments"][0]
    assert (first["department"]["key"], first["main"], first["since"]) == ("team", True, "2024-05-01")

    # What went out changes nothing when it comes in again, in either language and encoding.
    for query in ({}, {"language": "zh", "encoding": "gb18030"}):
        for kind, count in (("departments", 3), ("people", 4)):
            file = exported(client, kind, **query)
            assert file.headers["content-disposition"].startswith(f'attachment; filename="{kind}-')
            back = brought_in(client, file.content)
            assert (back["kind"], back["unchanged"], back["lines"][0]["changes"]) == (kind, count, []), back
    assert "'=Sales" in exported(client, "departments").content.decode("utf-8-sig")

    # Changes from a day on: what was before stays as history.
    moved = brought_in(
        client, f"E-mail,Department,Main,Position,Manager,From\n{d},sales,yes,,,2024-06-01\n", end_others=True
    )
    changes = {(each["column"], each["before"], each["after"]) for each in moved["lines"][0]["changes"]}
    assert {("Department", None, "sales"), ("Department", "team", None), ("Department", "acme", None)} <= changes
    assert org.chain(org.me(dev), at="2024-05-31") == [org.me(lead)]
    history = [row for row in org.get("memberships", history=True)["items"] if row["user_id"] == org.me(dev)]
    assert sorted((row["valid_from"], row["valid_until"], row["main"]) for row in history) == [
        ("2024-05-01", "2024-05-31", True),
        ("2024-06-01", None, True),
    ]
    titles = f"email,department,position\n{d},sales,Senior Engineer\n{h},sales,主任\n"
    assert send(client, titles).status_code == 422
    assert actions(brought_in(client, titles, new_positions=True)) == ["changed", "changed"]
    assert actions(brought_in(client, titles, new_positions=True)) == ["unchanged", "unchanged"]
    made = {row["title"]: row["key"] for row in org.get("positions")["items"]}
    assert (made["Senior Engineer"], made["主任"][:9]) == ("senior-engineer", "position-")
    brought_in(client, "code,parent\nacme,hq\nhq,\n")
    assert [each["key"] for each in org.get("departments/tree")] == ["hq"]
    swapped = brought_in(client, f"code,heads,from\nsales,{b} {h},2024-06-01\nteam,{d},\n")
    assert swapped["lines"][0]["changes"] == [{"column": "heads", "before": f"{h}; {b}", "after": f"{b}; {h}"}]
    assert [each["id"] for each in org.get("departments", sort="key")["items"][2]["heads"]] == [
        org.me(boss),
        org.me(lead),
    ]
    entries = client.get("/api/v1/audit", params={"limit": 200}).json()["items"]
    assert len([each for each in entries if each["action"] == "directory.import_table"]) == 13


@pytest.mark.database
def test_a_table_comes_in_whole_or_not_at_all(client: ApiClient, as_user: AsUser, other_tenant: TestTenant) -> None:
    org = Org(client)
    ada, gone = as_user(()), as_user(())
    stranger = as_user((), tenant=other_tenant)
    a, g, s = (str(each.user.email) for each in (ada, gone, stranger) if each.user is not None)
    found = client.get("/api/v1/members", params={"limit": 200}).json()["items"]
    place = next(f"/api/v1/members/{each['id']}" for each in found if each["user_id"] == org.me(gone))
    assert client.patch(
        place, json={"active": False}, headers={"If-Match": client.get(place).headers["ETag"]}
    ).is_success
    brought_in(client, "code,name\nkeep,Keep\n")

    def errors(content: str) -> set[tuple[int, str, str]]:
        told = brought_in(client, content, dry_run=True)
        refused = send(client, content)
        assert refused.status_code == 422, refused.text
        found = {(line["line"], error["column"], error["code"]) for line in told["lines"] for error in line["errors"]}
        problem = refused.json()
        assert {(f"lines.{line}.{column}", code) for line, column, code in found} == {
            (error["field"], error["code"]) for error in problem["errors"]
        }
        return found

    assert errors(
        "code,name,parent,head,from\n"
        f"new,New,,{a},\n"
        "x,X,y,,\ny,Y,x,,\n"
        "new,Twice,,,\n"
        f"z,,nowhere,{s} {g},31.12.2025\n"
        "No Code,N,,,\n"
        "keep,Keep,keep,,\n"
    ) == {
        (3, "parent", "cycle"),
        (4, "parent", "cycle"),
        (5, "code", "duplicate"),
        (6, "name", "missing"),
        (6, "parent", "unknown"),
        (6, "head", "unknown"),
        (6, "head", "inactive"),
        (6, "from", "date"),
        (7, "code", "code"),
        (8, "parent", "cycle"),
    }
    deep = "".join(f"d{number},D,{f'd{number - 1}' if number else ''}\n" for number in range(21))
    assert errors("code,name,parent\n" + deep) == {(22, "parent", "depth")}
    assert errors(
        "email,department,main,position,manager\n"
        f"{a},keep,yes,Boss,{a}\n"
        f"{a},keep,,,\n"
        f"{s},keep,,,\n"
        f"{g},keep,,,\n"
        f"{a},nowhere,maybe,,{s}\n"
        ",keep,,,\n"
    ) == {
        (2, "position", "unknown"),
        (2, "manager", "cycle"),
        (3, "department", "duplicate"),
        (4, "email", "unknown"),
        (5, "email", "inactive"),
        (6, "department", "unknown"),
        (7, "email", "missing"),
    }
    assert [row["key"] for row in org.get("departments")["items"]] == ["keep"]
    assert org.get("memberships", history=True)["items"] == []
    for files, status in (
        ([], 422),
        ([("file", ("a.csv", b"code\na\n", "text/csv")), ("more", ("b.csv", b"code\nb\n", "text/csv"))], 422),
        ([("file", ("a.png", b"code\na\n", "image/png"))], 415),
    ):
        sent: Any = [*files, ("note", (None, b"no file"))]
        assert client.post(f"{BASE}/imports", files=sent).status_code == status
    broken = client.post(
        f"{BASE}/imports", content=b"code\na", headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert broken.status_code == 422
    assert send(client, b"x" * 5_000_001).status_code == 413
    reader = as_user({"directory.organisation.read"})
    assert (send(reader, "code\na\n").status_code, reader.get(f"{BASE}/exports/people").status_code) == (403, 403)
