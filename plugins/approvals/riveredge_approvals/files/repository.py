"""Access to files: what is known of them, apart from their content."""

from sqlalchemy import func
from sqlmodel import col, select

from riveredge_approvals.files.models import StoredContent, StoredFile
from riveredge_sdk import FilterField, Repository, session
from riveredge_sdk.quotas import Quota

QUOTA = "approvals.files"


class Files(Repository[StoredFile]):
    """What was handed in."""

    model = StoredFile
    fields = (
        FilterField("name", "text", StoredFile.name),
        FilterField("media_type", "text", StoredFile.media_type),
        FilterField("field", "text", StoredFile.field),
    )
    default_sort = "created_at"


class Contents(Repository[StoredContent]):
    """The bytes."""

    model = StoredContent


async def _used() -> int:
    size = select(func.coalesce(func.sum(col(StoredFile.size)), 0))
    return int((await session().exec(size)).one())


FILES_QUOTA = Quota(QUOTA, "Files of requests", _used, "As long as their requests are kept.", unit="bytes")
