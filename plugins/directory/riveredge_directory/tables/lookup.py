"""People by their addresses, as tables name them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from riveredge_directory.tables.cells import Cells
from riveredge_sdk import get_service
from riveredge_sdk.features.people import PEOPLE, Person

# So many are asked for at a time.
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Known:
    """Members of the organisation: by the addresses that a file names, and how these and others are called."""

    by_email: Mapping[str, Person] = field(default_factory=dict)
    emails: dict[UUID, str] = field(default_factory=dict)
    names: dict[UUID, str] = field(default_factory=dict)

    @classmethod
    async def people(cls, emails: Iterable[str]) -> "Known":
        """Those of the addresses."""
        wanted, found = [*dict.fromkeys(each for each in emails if each)], dict[str, Person]()
        for start in range(0, len(wanted), _CHUNK):
            found |= await get_service(PEOPLE).find_by_email(wanted[start : start + _CHUNK])
        return cls(found, {person.id: person.email for person in found.values()})

    async def add(self, user_ids: Iterable[UUID]) -> None:
        """The addresses of those who are members, deactivated or not."""
        wanted = [user_id for user_id in dict.fromkeys(user_ids) if user_id not in self.emails]
        for start in range(0, len(wanted), _CHUNK):
            some = await get_service(PEOPLE).find(wanted[start : start + _CHUNK])
            self.emails.update({user_id: person.email for user_id, person in some.items()})
            self.names.update({user_id: person.name for user_id, person in some.items()})

    def find(self, line: Cells, column: str, emails: Sequence[str]) -> list[UUID]:
        """Whose addresses these are; for those that are nobody's, the line gets errors."""
        for email in emails:
            if email not in self.by_email:
                line.wrong(column, f"{email} is no member of this organisation. Invite them first.", "unknown")
        return [self.by_email[email].id for email in emails if email in self.by_email]

    def check_active(self, line: Cells, column: str, user_id: UUID) -> None:
        """Nothing begins for those who are deactivated; what they have stays."""
        email = self.emails[user_id]
        if not self.by_email[email].active:
            line.wrong(column, f"{email} is deactivated. Activate them first, or name somebody else.", "inactive")

    def addresses(self, user_ids: Sequence[UUID]) -> str | None:
        """As a cell has them; None for nobody."""
        return "; ".join(self.emails[user_id] for user_id in user_ids if user_id in self.emails) or None
