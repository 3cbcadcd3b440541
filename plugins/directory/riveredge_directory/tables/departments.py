"""Departments from a table: what is there is changed to what the lines say, and what they do not name stays."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from riveredge_directory.models import Department, DepartmentHead
from riveredge_directory.quotas import DEPARTMENTS
from riveredge_directory.repository import Departments, Heads, within
from riveredge_directory.schemas import Key
from riveredge_directory.tables.cells import Cells
from riveredge_directory.tables.lookup import Known
from riveredge_directory.tables.reports import LineReport
from riveredge_directory.tables.spans import bring_forward, end_before, holding, holds_on
from riveredge_directory.tree import MAX_DEPTH
from riveredge_sdk import session
from riveredge_sdk.quotas import claim_quota

_KEY = TypeAdapter(Key)


class DepartmentImport:
    """One file. Call `run` in turn (`turns.take_turn`)."""

    def __init__(self, lines: Sequence[Cells], today: date) -> None:
        self._lines = lines
        self._today = today
        # By key, with those of the file.
        self._departments: dict[str, Department] = {}
        self._by_id: dict[UUID, Department] = {}
        # Where each is to be: the rows are told when what is above them is there.
        self._above: dict[UUID, UUID | None] = {}
        self._appointed: list[DepartmentHead] = []

    async def run(self) -> list[LineReport]:
        """Change the organisation. Where a line has errors, the caller takes everything back."""
        self._departments = {row.key: row for row in await Departments().all()}
        known = await Known.people(email for line in self._lines for email in line.emails("heads"))
        named = self._named()
        new = {code for code in named if code not in self._departments}
        if new:
            await claim_quota(DEPARTMENTS, len(new))
        # All that is read is read before: what is changed waits for what is new to be there.
        rows = await self._leading(named, known)
        for code, line in named.items():
            self._describe(code, line)
        self._by_id = {row.id: row for row in self._departments.values()}
        self._above = {row.id: row.parent_id for row in self._departments.values()}
        moved = {code: line for code, line in named.items() if self._move(code, line)}
        below: dict[UUID, list[UUID]] = {}
        for row_id, above in self._above.items():
            if above is not None and self._by_id[row_id].key not in moved:
                below.setdefault(above, []).append(row_id)
        for code, line in moved.items():
            self._check_place(code, line, below)
        for code, line in named.items():
            department_id = self._departments[code].id
            if line.has("heads"):
                await self._set_heads(department_id, line, rows.get(department_id, []), known)
        if not any(line.errors for line in self._lines):
            await self._write(new)
        return [line.report(line.code("code")) for line in self._lines]

    async def _write(self, new: Collection[str]) -> None:
        """Insert what is new at once: each department after the one above it, and then who leads them."""
        todo = [self._departments[code] for code in new]
        while todo:
            row = todo.pop()
            row.parent_id = self._above[row.id]
            above = self._by_id[row.parent_id] if row.parent_id is not None else None
            if above is not None and above.key in new and above not in session():
                todo += [row, above]
            else:
                session().add(row)
        await session().flush()
        for row_id, parent_id in self._above.items():
            self._by_id[row_id].parent_id = parent_id
        session().add_all(self._appointed)
        await session().flush()

    def _named(self) -> Mapping[str, Cells]:
        """The lines by the department they are about, without those that are about none."""
        found: dict[str, Cells] = {}
        for line in self._lines:
            code = line.code("code")
            try:
                _KEY.validate_python(code)
            except ValidationError:
                line.wrong("code", "Write a code of letters a-z, digits, '-', '_' and '.'.", "code")
                continue
            if code in found:
                line.wrong("code", f"Line {found[code].line.number} is about it, too. Keep one.", "duplicate")
                continue
            found[code] = line
        return found

    def _describe(self, code: str, line: Cells) -> None:
        row, name = self._departments.get(code), line.text("name")
        if line.has("name") and not name:
            line.wrong("name", "Write its name.", "missing")
        if row is None:
            row = Department(key=code, name=name or code)
            self._departments[code] = row
            line.created = True
            line.change("name", None, row.name)
        elif name and name != row.name.strip():
            line.change("name", row.name, name)
            row.name = name

    def _move(self, code: str, line: Cells) -> bool:
        """Put it where the line says; whether that is somewhere else."""
        if not line.has("parent"):
            return False
        row, above = self._departments[code], line.code("parent")
        parent = self._departments.get(above)
        if above and parent is None:
            line.wrong("parent", "There is no such department, here or in the file. Add a line for it.", "unknown")
            return False
        there = self._above[row.id]
        before = self._by_id[there].key if there is not None else None
        if before == (above or None):
            return False
        line.change("parent", before, above or None)
        self._above[row.id] = parent.id if parent is not None else None
        return True

    def _check_place(self, code: str, line: Cells, below: Mapping[UUID, Sequence[UUID]]) -> None:
        """See that it is not below itself, nor too deep with what comes along.

        Args:
            below: the departments that come along; what moves by itself has a line of its own.
        """
        way = [code]
        above = self._above[self._departments[code].id]
        while above is not None and len(way) <= MAX_DEPTH:
            way.append(self._by_id[above].key)
            if way[-1] == code:
                line.wrong("parent", f"The department would be below itself: {' → '.join(way)}.", "cycle")
                return
            above = self._above[above]
        level, depth = [self._departments[code].id], len(way) - 1
        while level and depth <= MAX_DEPTH:
            level, depth = [each for one in level for each in below.get(one, ())], depth + 1
        if depth > MAX_DEPTH:
            line.wrong("parent", f"Departments can be {MAX_DEPTH} levels deep. Choose one nearer to the top.", "depth")

    # -- heads --------------------------------------------------------------------------------------------------

    async def _leading(self, named: Mapping[str, Cells], known: Known) -> Mapping[UUID, list[DepartmentHead]]:
        """Who leads on the first of the lines' days, and later, by department."""
        first = min((line.day("from", self._today) for line in named.values()), default=self._today)
        found = await Heads().all(within(DepartmentHead, first, None))
        await known.add(row.user_id for row in found)
        rows: dict[UUID, list[DepartmentHead]] = {}
        for row in found:
            # Who is no member any more has no address that a table could name.
            if row.user_id in known.emails:
                rows.setdefault(row.department_id, []).append(row)
        return rows

    async def _set_heads(self, department_id: UUID, line: Cells, rows: list[DepartmentHead], known: Known) -> None:
        """From the line's day on, those whom it names lead the department, in this order."""
        first = line.day("from", self._today)
        before, wanted = _in_order(rows, first), known.find(line, "heads", line.emails("heads"))
        if before == wanted:
            return
        for gone in [row for row in rows if holds_on(row, first) and row.user_id not in wanted]:
            await end_before(rows, gone, first)
        for order, user_id in enumerate(wanted):
            if user_id not in before:
                known.check_active(line, "heads", user_id)
            mine = [row for row in rows if row.user_id == user_id]
            row = holding(mine, first)
            if row is None:
                row = DepartmentHead(department_id=department_id, user_id=user_id, valid_from=first)
                self._appointed.append(row)
            bring_forward(row, first, line)
            row.order = order
        line.change("heads", known.addresses(before), known.addresses(wanted))


def _in_order(rows: Sequence[DepartmentHead], day: date) -> list[UUID]:
    leading = sorted((row for row in rows if holds_on(row, day)), key=lambda row: (row.order, row.id))
    return [row.user_id for row in leading]
