"""What the columns of the two tables are called, in English, in Chinese, and as other systems write them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["departments", "people"]
# What makes no difference in the name of a column: "Manager's e-mail", "manager_email".
_IGNORED = re.compile(r"[\s_\-.*'’()（）]+")


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `title` and `chinese` are what exports call it, `also` what imports take besides."""

    name: str
    title: str
    chinese: str
    also: Sequence[str] = ()
    required: bool = False


_FROM = Column("from", "From", "生效日期", ("valid from", "start", "start date", "开始日期", "起始日期", "入职日期"))

COLUMNS: Mapping[Kind, Sequence[Column]] = {
    "departments": (
        Column("code", "Code", "部门编码", ("key", "department code", "编码", "编号", "部门编号", "部门代码"), True),
        Column("name", "Name", "部门名称", ("department", "department name", "名称", "部门")),
        Column("parent", "Parent code", "上级部门编码", ("parent", "上级编码", "上级部门", "父部门编码")),
        Column("heads", "Heads", "负责人邮箱", ("head", "head email", "负责人", "部门负责人", "主管邮箱")),
        _FROM,
    ),
    "people": (
        Column("email", "E-mail", "邮箱", ("mail", "email address", "电子邮箱", "邮箱地址", "员工邮箱"), True),
        Column("person", "Name", "姓名", ("person", "full name", "员工姓名", "名字")),
        Column("department", "Department code", "部门编码", ("department", "code", "部门", "部门编号", "部门代码")),
        Column("main", "Main", "主部门", ("main department", "是否主部门", "主要部门")),
        Column("position", "Position", "职位", ("position key", "job title", "岗位", "职务")),
        Column("manager", "Manager's e-mail", "上级邮箱", ("manager", "直属上级", "直接上级", "汇报对象")),
        _FROM,
    ),
}  # fmt: skip


def plain(title: str) -> str:
    """The name of a column without what makes no difference."""
    return _IGNORED.sub("", title).lower()


def recognised(kind: Kind, titles: Sequence[str]) -> dict[str, int]:
    """Where each known column of a table stands, by its name; the first of two that mean the same."""
    known = {
        plain(name): column.name
        for column in COLUMNS[kind]
        for name in (column.name, column.title, column.chinese, *column.also)
    }
    found: dict[str, int] = {}
    for place, title in enumerate(titles):
        if (name := known.get(plain(title))) is not None:
            found.setdefault(name, place)
    return found


def kind_of(titles: Sequence[str]) -> Kind | None:
    """Which table has such columns; people have addresses, departments codes of their own."""
    kinds: Sequence[Kind] = ("people", "departments")
    return next((kind for kind in kinds if not missing(kind, titles)), None)


def missing(kind: Kind, titles: Sequence[str]) -> list[Column]:
    """The columns without which the table says nothing."""
    found = recognised(kind, titles)
    return [column for column in COLUMNS[kind] if column.required and column.name not in found]
