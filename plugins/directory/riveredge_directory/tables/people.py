"""Who belongs where, from a table: what is there is changed to what the lines say, from the day of each on."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlmodel import col

from riveredge_directory.circles import comes_back
from riveredge_directory.models import Department, Membership, Position, ReportingLine
from riveredge_directory.repository import Departments, Lines, Memberships, Positions, within
from riveredge_directory.service import give_way
from riveredge_directory.tables.cells import Cells
from riveredge_directory.tables.lookup import Known
from riveredge_directory.tables.reports import LineReport
from riveredge_directory.tables.spans import ONE_DAY, bring_forward, end_before, holding, holds_on
from riveredge_sdk import session

_CHUNK = 500


class PeopleImport:
    """One file. Call `run` in turn (`turns.take_turn`).

    Args:
        end_others: people of the file leave the departments that it does not name for them.
        new_positions: positions that are not there yet are created, with what the file says as their title.
    """

    def __init__(
        self, lines: Sequence[Cells], today: date, *, end_others: bool = False, new_positions: bool = False
    ) -> None:
        self._lines = lines
        self._today = today
        self._end_others = end_others
        self._new_positions = new_positions
        self._known = Known()
        self._departments: dict[str, Department] = {}
        self._positions: list[Position] = []
        self._memberships: dict[UUID, list[Membership]] = defaultdict(list)
        self._reporting: dict[UUID, list[ReportingLine]] = defaultdict(list)
        self._begun: list[tuple[Cells, ReportingLine]] = []

    async def run(self) -> list[LineReport]:
        """Change the organisation. Where a line has errors, the caller takes everything back."""
        await self._load()
        people: dict[UUID, list[tuple[Cells, Department | None]]] = defaultdict(list)
        for line in self._lines:
            found = self._known.find(line, "email", [line.email("email")]) if line.email("email") else []
            if not found:
                if not line.errors:
                    line.wrong("email", "Write the person's address.", "missing")
                continue
            place = self._department(line)
            if not line.errors and self._is_new(line, place, people[found[0]]):
                people[found[0]].append((line, place))
        for user_id, lines in people.items():
            await self._settle(user_id, lines)
        await session().flush()
        for line, row in self._begun:
            if await comes_back(row, self._lines_of):
                line.wrong(
                    "manager", "They report to the person, directly or over others. Choose another one.", "cycle"
                )
        return [line.report(line.email("email")) for line in self._lines]

    async def _load(self) -> None:
        emails = [line.email(column) for line in self._lines for column in ("email", "manager")]
        self._known = await Known.people(emails)
        self._departments = {row.key: row for row in await Departments().all()}
        self._positions = [*await Positions().all()]
        if self._new_positions:
            await self._create_positions()
        users = [person.id for person in self._known.by_email.values()]
        for start in range(0, len(users), _CHUNK):
            mine = col(Membership.user_id).in_(users[start : start + _CHUNK])
            for row in await Memberships().all(mine):
                self._memberships[row.user_id].append(row)
        first = min((line.day("from", self._today) for line in self._lines), default=self._today)
        for line in await Lines().all(within(ReportingLine, first, None)):
            self._reporting[line.user_id].append(line)
        await self._known.add(line.manager_id for lines in self._reporting.values() for line in lines)

    async def _create_positions(self) -> None:
        """What the file names and is not there. The key of one is made of its title, and the same each time."""
        named = dict.fromkeys(line.text("position") for line in self._lines)
        known = {word for row in self._positions for word in (row.key, row.title.strip())}
        for title in named:
            key = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
            if not title.isascii() or not key:
                key = f"position-{hashlib.sha256(title.encode()).hexdigest()[:12]}"
            if title and not {title, title.lower(), key[:100]} & known:
                self._positions.append(Position(key=key[:100], title=title))
                known |= {title, key[:100]}
                session().add(self._positions[-1])
        # Memberships refer to them.
        await session().flush()

    async def _lines_of(self, user_id: UUID) -> Sequence[ReportingLine]:
        return self._reporting[user_id]

    def _department(self, line: Cells) -> Department | None:
        """None where the line is about somebody's manager in general."""
        code = line.code("department")
        if not code and not line.errors and not line.text("manager"):
            line.wrong("department", "Name the department, or at least a manager.", "missing")
        if code and code not in self._departments:
            line.wrong("department", "There is no such department. Import the departments first.", "unknown")
        return self._departments.get(code)

    @staticmethod
    def _is_new(line: Cells, place: Department | None, others: Sequence[tuple[Cells, Department | None]]) -> bool:
        """Whether no line before says something else of the same thing."""
        for other, there in others:
            if there is place:
                line.wrong("department", f"Line {other.line.number} is about it, too. Keep one.", "duplicate")
                return False
            if line.yes("main") and other.yes("main"):
                line.wrong("main", f"In line {other.line.number} another one is the main department.", "duplicate")
                return False
        return True

    async def _settle(self, user_id: UUID, lines: Sequence[tuple[Cells, Department | None]]) -> None:
        for line, place in lines:
            if place is not None:
                self._belong(user_id, line, place)
            if line.has("manager"):
                await self._report_to(user_id, line, place)
            if line.created or line.changes:
                self._known.check_active(line, "email", user_id)
        named = {place.id for _, place in lines if place is not None}
        if self._end_others and named:
            await self._leave_others(
                user_id, lines[0][0], named, min(line.day("from", self._today) for line, _ in lines)
            )

    # -- departments --------------------------------------------------------------------------------------------

    def _belong(self, user_id: UUID, line: Cells, place: Department) -> None:
        """From the line's day on, the person belongs there, as what it says."""
        first, rows = line.day("from", self._today), self._memberships[user_id]
        row = holding([row for row in rows if row.department_id == place.id], first)
        earlier = False
        if row is None:
            row = Membership(user_id=user_id, department_id=place.id, valid_from=first)
            self._add(row)
            line.created = True
            line.change("department", None, place.key)
            had_main, position = None, None
        else:
            had_main, position = row.main, row.position_id
            earlier = bring_forward(row, first, line)
        main = line.yes("main")
        if main is None:
            main = had_main if had_main is not None else not any(_is_main_within(other, row) for other in rows)
        if line.has("position"):
            position = self._position(line)
        if (main, position) == (row.main, row.position_id) and not earlier:
            return
        line.change("main", _word(had_main), _word(main))
        line.change("position", self._title(row.position_id), self._title(position))
        if row.valid_from < first:
            # What was before stays as it was.
            before, row = row, Membership(**(row.model_dump(include=_KEPT) | {"valid_from": first}))
            before.valid_until = first - ONE_DAY
            self._add(row)
        row.position_id = position
        if main:
            for left in give_way(row, rows):
                self._add(left)
        row.main = main

    def _add(self, row: Membership) -> None:
        session().add(row)
        self._memberships[row.user_id].append(row)

    def _position(self, line: Cells) -> UUID | None:
        named = line.text("position")
        if not named:
            return None
        found = [row for row in self._positions if row.key == named.lower()]
        found = found or [row for row in self._positions if row.title.strip() == named]
        if len(found) != 1:
            why = "Several positions have this title. Write the key of one." if found else (
                "There is no such position. Create it (?new_positions=true does), or leave the cell empty."
            )  # fmt: skip
            line.wrong("position", why, "ambiguous" if found else "unknown")
            return None
        return found[0].id

    def _title(self, position_id: UUID | None) -> str | None:
        return next((row.key for row in self._positions if row.id == position_id), None)

    async def _leave_others(self, user_id: UUID, line: Cells, named: set[UUID], first: date) -> None:
        keys = {row.id: row.key for row in self._departments.values()}
        rows, reporting = self._memberships[user_id], self._reporting[user_id]
        for row in [row for row in rows if row.department_id not in named and _lasts(row, first)]:
            await end_before(rows, row, first)
            line.change("department", keys[row.department_id], None)
            for each in [each for each in reporting if each.department_id == row.department_id and _lasts(each, first)]:
                await end_before(reporting, each, first)

    # -- managers -----------------------------------------------------------------------------------------------

    async def _report_to(self, user_id: UUID, line: Cells, place: Department | None) -> None:
        """From the line's day on, the person reports to whom it names; as a member of the department, if it has one."""
        first, rows, email = line.day("from", self._today), self._reporting[user_id], line.email("manager")
        managers = self._known.find(line, "manager", [email] if email else [])
        scope = [row for row in rows if row.department_id == (place.id if place is not None else None)]
        there = next((row for row in scope if holds_on(row, first)), None)
        before = there.manager_id if there is not None else None
        if not managers:
            # Who is no member any more has no address that a table could name.
            if there is not None and not email and before in self._known.emails:
                line.change("manager", self._known.emails[there.manager_id], None)
                await end_before(rows, there, first)
            return
        if before == managers[0]:
            return
        self._known.check_active(line, "manager", managers[0])
        line.change("manager", self._known.addresses([before]) if before else None, self._known.addresses(managers))
        line.created = line.created or (place is None and there is None)
        later = min((row for row in scope if row.valid_from > first), key=lambda row: row.valid_from, default=None)
        if there is not None:
            await end_before(rows, there, first)
        if later is not None and later.manager_id == managers[0]:
            bring_forward(later, first, line)
            row = later
        else:
            row = ReportingLine(
                user_id=user_id,
                manager_id=managers[0],
                department_id=place.id if place is not None else None,
                valid_from=first,
                valid_until=later.valid_from - ONE_DAY if later is not None else None,
            )
            session().add(row)
            rows.append(row)
        self._begun.append((line, row))


_KEPT = {"user_id", "department_id", "position_id", "main", "valid_until"}


def _word(main: bool | None) -> str | None:
    return None if main is None else "yes" if main else "no"


def _lasts(row: Membership | ReportingLine, day: date) -> bool:
    return row.valid_until is None or row.valid_until >= day


def _is_main_within(other: Membership, row: Membership) -> bool:
    """Whether another one is the main one on some of the row's days."""
    return (
        other is not row
        and other.main
        and _lasts(other, row.valid_from)
        and (row.valid_until is None or other.valid_from <= row.valid_until)
    )
