"""What the plugin contributes: every hook there is."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlmodel import col

from riveredge_example import approval_routes
from riveredge_example.actions import WEEKLY, WriteNote
from riveredge_example.approvals import NoteNode, NoteSubject
from riveredge_example.approvers import NoteAuthor
from riveredge_example.channel import REMINDER, REMINDERS, LogChannel
from riveredge_example.chimes import Chimes
from riveredge_example.contract import NOTE_BOOK, Stamp, StampHooks
from riveredge_example.diary import NOTE_DOWN, NOTED, Diary
from riveredge_example.files import NoteFiles
from riveredge_example.functions import FUNCTIONS
from riveredge_example.models import Chime, Note, Tag
from riveredge_example.provider import PaperMail
from riveredge_example.routes import READ, WRITE, router
from riveredge_example.service import NOTE, NOTE_WRITTEN, NOTES, NOTES_QUOTA, REMINDER_DUE, NoteBookService, Notes
from riveredge_example.settings import ExampleSettings, ExampleTenantSettings
from riveredge_sdk import (
    Command,
    EventType,
    FunctionSpec,
    Health,
    HealthCheck,
    HookSpecs,
    NavItem,
    Permission,
    PlatformModel,
    Plugin,
    PluginSettings,
    Role,
    Router,
    Service,
    StaticApp,
    StreamTopic,
    TenantModel,
    TenantSettings,
)
from riveredge_sdk.features.approvals import ApprovalNode, ApprovalSubject, ApproverResolver
from riveredge_sdk.features.message_categories import MessageCategory
from riveredge_sdk.features.messaging import ATTACHED_FILES, MessageChannel, MessageProvider, MessageTemplateSpec
from riveredge_sdk.features.scheduling import SystemSchedule, TaskAction
from riveredge_sdk.quotas import Quota
from riveredge_sdk.timers import DueRows
from riveredge_sdk.watching import EventWatcher


class ExamplePlugin(Plugin):
    """Notes, to show and to test how plugins are made."""

    id = "example"
    title = "Example"
    description = "Notes: what a plugin looks like."
    after = ("messaging",)

    def __init__(self) -> None:
        self.started = False

    def routers(self) -> Iterable[Router]:
        return (router, approval_routes.router)

    def models(self) -> Iterable[type[TenantModel] | type[PlatformModel]]:
        return (Note, Tag, Chime)

    def functions(self) -> Iterable[FunctionSpec[Any]]:
        return (*FUNCTIONS, NOTE_DOWN)

    def event_types(self) -> Iterable[EventType[Any]]:
        return (NOTE_WRITTEN, REMINDER_DUE, NOTED)

    def permissions(self) -> Iterable[Permission]:
        return (Permission(READ, "Read notes"), Permission(WRITE, "Write notes"))

    def roles(self) -> Iterable[Role]:
        return (Role("example.writer", "Writer of notes", frozenset({READ, WRITE})),)

    def settings(self) -> Iterable[type[PluginSettings]]:
        return (ExampleSettings,)

    def tenant_settings(self) -> Iterable[type[TenantSettings]]:
        return (ExampleTenantSettings,)

    def services(self) -> Iterable[Service[Any]]:
        return (Service(NOTE_BOOK, NoteBookService()), Service(ATTACHED_FILES, NoteFiles()))

    def stream_topics(self) -> Iterable[StreamTopic]:
        return (NOTES, NOTE)

    def navigation(self) -> Iterable[NavItem]:
        return (NavItem("example.notes", "Notes", "example/notes", permission=READ),)

    def static_apps(self) -> Iterable[StaticApp]:
        return (StaticApp("example.panel", "Notes", Path(__file__).parent / "panel", "panel"),)

    def commands(self) -> Iterable[Command]:
        from riveredge_example.commands import build

        return (Command("example.commands", "Notes.", build),)

    def hookspecs(self) -> Iterable[HookSpecs]:
        return (HookSpecs("example.stamps", "Marks for new notes", StampHooks),)

    def note_stamps(self) -> Iterable[Stamp]:
        """Its own extension point, used by itself."""
        return (Stamp("example.plain", "No mark", ""),)

    def health(self) -> Iterable[HealthCheck]:
        return (HealthCheck("example.started", "Example has started", self._is_started),)

    def timer_sources(self) -> Iterable[DueRows]:
        return (Chimes(),)

    def event_watchers(self) -> Iterable[EventWatcher]:
        return (Diary(),)

    def quotas(self) -> Iterable[Quota]:
        return (NOTES_QUOTA,)

    def message_channels(self) -> Iterable[MessageChannel]:
        return (LogChannel(),)

    def message_providers(self) -> Iterable[MessageProvider[Any]]:
        return (PaperMail(),)

    def message_templates(self) -> Iterable[MessageTemplateSpec]:
        return (REMINDER,)

    def message_categories(self) -> Iterable[MessageCategory]:
        return (REMINDERS,)

    def task_actions(self) -> Iterable[TaskAction[Any]]:
        return (WriteNote(),)

    def system_schedules(self) -> Iterable[SystemSchedule]:
        return (WEEKLY,)

    def approval_nodes(self) -> Iterable[ApprovalNode[Any]]:
        return (NoteNode(),)

    def approval_subjects(self) -> Iterable[ApprovalSubject]:
        return (NoteSubject(),)

    def approver_resolvers(self) -> Iterable[ApproverResolver[Any]]:
        return (NoteAuthor(),)

    async def startup(self) -> None:
        self.started = True

    async def shutdown(self) -> None:
        self.started = False

    async def tenant_created(self) -> None:
        if ExampleSettings().welcome:
            await Notes().add(Note(title="Welcome to notes"))

    async def demo_data(self, people: Mapping[str, UUID]) -> None:
        for name in sorted(people):
            await Notes().add(Note(title=f"A note for {name.title()}"))

    async def tenant_enabled(self) -> None:
        await Notes().add(Note(title="Welcome to notes"))

    async def tenant_disabled(self) -> None:
        for note in await Notes().all(col(Note.title) == "Welcome to notes"):
            await Notes().delete(note)

    async def plugin_switched(self, plugin_id: str, *, enabled: bool) -> None:
        if plugin_id == "messaging" and not enabled:
            await Notes().add(Note(title="Reminders reach nobody now"))

    async def export_personal_data(self, user_id: UUID) -> list[str]:
        return [note.title for note in await Notes().all(col(Note.author_id) == user_id)]

    async def erase_personal_data(self, user_id: UUID) -> int:
        written = await Notes().all(col(Note.author_id) == user_id)
        for note in written:
            note.author_id = None
        return len(written)

    async def _is_started(self) -> Health:
        return Health("ok" if self.started else "failed")
