"""Access to templates, their versions, layouts and partials."""

from sqlmodel import col

from riveredge_messaging.templates.models import Block, Template, TemplateVersion
from riveredge_sdk import FilterField, Repository
from riveredge_sdk.problems import NotFound


class Templates(Repository[Template]):
    """Tenants' own templates."""

    model = Template
    fields = (
        FilterField("key", "text", Template.key),
        FilterField("title", "text", Template.title),
        FilterField("category", "text", Template.category),
        FilterField("published", "integer", Template.published),
        FilterField("draft", "integer", Template.draft),
        FilterField("archived_at", "datetime", Template.archived_at),
    )
    default_sort = "key"


class Versions(Repository[TemplateVersion]):
    """Versions of templates."""

    model = TemplateVersion
    fields = (
        FilterField("number", "integer", TemplateVersion.number),
        FilterField("status", "text", TemplateVersion.status),
        FilterField("published_at", "datetime", TemplateVersion.published_at),
    )
    default_sort = "-number"

    async def of(self, template: Template, number: int) -> TemplateVersion:
        """One version of a template.

        Raises:
            NotFound: there is none with the number.
        """
        found = await self.find(col(TemplateVersion.template_id) == template.id, col(TemplateVersion.number) == number)
        if found is None:
            raise NotFound(f"The template {template.key} has no version {number}.")
        return found


class Blocks(Repository[Block]):
    """Layouts and partials."""

    model = Block
    fields = (
        FilterField("kind", "text", Block.kind),
        FilterField("key", "text", Block.key),
        FilterField("title", "text", Block.title),
    )
    default_sort = "key"
