"""What people say about requests: urges, copies, comments, and that they have read."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select

from riveredge_approvals.effects.notices import Notices
from riveredge_approvals.effects.telling import name_of
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.store import load, save
from riveredge_approvals.files.using import drop_with, own, use
from riveredge_approvals.instances.access import must_see
from riveredge_approvals.instances.talk_schemas import CommentIn
from riveredge_approvals.ir.document import HumanNode
from riveredge_approvals.models import CarbonCopy, Comment, InstanceStatus, Task, TaskState
from riveredge_approvals.permissions import INSTANCE_ADMIN
from riveredge_approvals.problems import NotAllowedHere
from riveredge_approvals.settings import ApprovalsTenantSettings
from riveredge_approvals.speech import told
from riveredge_sdk import (
    FilterField,
    Repository,
    current_principal,
    find_service,
    get_service,
    session,
    tenant_settings,
)
from riveredge_sdk.features.messaging import ATTACHED_FILES
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.problems import FieldError, Forbidden, Invalid, NotFound, TooManyRequests, invalid_field


class Comments(Repository[Comment]):
    """What was said."""

    model = Comment
    fields = (FilterField("author_id", "uuid", Comment.author_id),)
    default_sort = "created_at"


class Copies(Repository[CarbonCopy]):
    """Who was told."""

    model = CarbonCopy
    fields = (
        FilterField("user_id", "uuid", CarbonCopy.user_id),
        FilterField("read_at", "datetime", CarbonCopy.read_at),
    )
    default_sort = "created_at"


async def urge(instance_id: UUID, text: str) -> tuple[int, Case]:
    """The submitter presses for decisions: how many people are told.

    Raises:
        NotFound: it is not there for the current user.
        Forbidden: it is somebody else's.
        NotAllowedHere: nobody is asked.
        TooManyRequests: it was urged a short while ago.
    """
    case = await _seen(instance_id)
    if case.instance.submitter_id != case.actor:
        raise Forbidden(told("Only its submitter can do this.", "只有提交人可以操作。"))
    waiting = [task for task in case.tasks if task.state == TaskState.PENDING]
    if case.instance.status != InstanceStatus.RUNNING or not waiting:
        raise NotAllowedHere(told("Nobody is asked at the moment.", "目前没有处理人。"))
    pause = timedelta(minutes=(await tenant_settings(ApprovalsTenantSettings)).urge_every_minutes)
    if case.instance.urged_at is not None and case.now < case.instance.urged_at + pause:
        left = int((case.instance.urged_at + pause - case.now).total_seconds()) + 1
        raise TooManyRequests(
            told(f"It was urged a short while ago; again in {left} s.", f"刚刚催办过，请在 {left} 秒后再试。"),
            headers={"Retry-After": str(left)},
        )
    case.instance.urged_at = case.now
    case.note("instance.urged", people=len(waiting), text=text or None)
    notices = Notices(case)
    notices.urged(waiting, await name_of(case.actor), text)
    await _write(case, notices)
    return len(waiting), case


async def copy(instance_id: UUID, users: Sequence[UUID]) -> int:
    """Let people know: they can see the request from now on. How many of them are new.

    Raises:
        NotFound: it is not there for the current user.
        NotAllowedHere: the node does not let her.
        Invalid: somebody is no active member.
    """
    case = await _seen(instance_id)
    _must_be_allowed(
        case, "cc", told("The nodes on which you are asked let nobody be told.", "您处理的节点不允许抄送。")
    )
    await _must_be_members(users, "users")
    notices = Notices(case)
    count = await notices.copied(users, by=case.actor)
    if count:
        case.note("instance.copied", users=[str(user) for user in users])
        await _write(case, notices)
    return count


async def comment(instance_id: UUID, body: CommentIn) -> Comment:
    """Say something. Whoever is mentioned is told, and can see the request from now on.

    Raises:
        NotFound: it is not there for the current user.
        NotAllowedHere: the node does not let her comment, or mention somebody who does not see the request.
        Invalid: somebody is no active member, or a file is not there.
    """
    case = await _seen(instance_id)
    _must_be_allowed(case, "comment", "The nodes on which you are asked take no comments.")
    mentions = list(dict.fromkeys(body.mentions))
    await _must_be_members(mentions, "mentions")
    strangers = [user for user in mentions if not await _sees(case, user)]
    if strangers:
        _must_be_allowed(case, "cc", "Somebody mentioned does not see the request, and you may not copy it to anybody.")
    row = await Comments().add(
        Comment(
            instance_id=instance_id,
            author_id=case.actor,
            text=body.text,
            mentions=[str(user) for user in mentions],
            attachments=await _attached(case, body.attachments),
        )
    )
    notices = Notices(case)
    await notices.copied(strangers, by=case.actor, quiet=True)
    told = [user for user in mentions if user != case.actor]
    if told:
        notices.tell("mention", told, str(row.id), data={"by": await name_of(case.actor), "text": body.text[:1000]})
    # What was said can be taken back; that something was said stays.
    case.note("comment.added", comment=str(row.id))
    await _write(case, notices)
    return row


async def uncomment(instance_id: UUID, comment_id: UUID, version: int) -> None:
    """Take back what one has said, or, as an administrator, what anybody has.

    Raises:
        NotFound: it is not there for the current user.
        Forbidden: somebody else has said it.
    """
    case = await _seen(instance_id)
    row = await Comments().get(comment_id, version=version)
    if row.instance_id != instance_id:
        raise NotFound(f"There is no comment with the id {comment_id} here.")
    if row.author_id != case.actor and not current_principal().may(INSTANCE_ADMIN):
        raise Forbidden(told("Only who has said it can take it back.", "只有评论者本人可以撤回。"))
    await Comments().delete(row)
    await drop_with(row.attachments)
    case.note("comment.deleted", comment=str(comment_id))
    await _write(case, Notices(case))


async def mark_read(instance_id: UUID) -> None:
    """The current user has read what she is asked about the request, and her copies of it.

    Raises:
        NotFound: it is not there for her.
    """
    case = await _seen(instance_id, lock=False)
    for model, owner in ((Task, Task.assignee_id), (CarbonCopy, CarbonCopy.user_id)):
        await session().exec(
            update(model)
            .where(col(model.instance_id) == instance_id, col(owner) == case.actor, col(model.read_at).is_(None))
            .values(read_at=case.now)
        )


async def _seen(instance_id: UUID, *, lock: bool = True) -> Case:
    await must_see(instance_id)
    case = await load(instance_id, lock=lock)
    case.actor = current_principal().id
    return case


def _must_be_allowed(case: Case, act: str, message: str) -> None:
    """Whoever is only asked keeps to what the nodes allow on which she is."""
    principal = current_principal()
    if case.instance.submitter_id == principal.id or principal.may(INSTANCE_ADMIN):
        return
    nodes = [case.flow.nodes.get(task.node) for task in case.tasks if task.assignee_id == principal.id]
    if nodes and not any(isinstance(node, HumanNode) and act in node.allow for node in nodes):
        raise NotAllowedHere(message)


async def _must_be_members(users: Sequence[UUID], field: str) -> None:
    found = await get_service(PEOPLE).find(list(users))
    errors = [
        FieldError(f"{field}.{number}", told("There is no active member with this id.", "没有此有效成员。"), "unknown")
        for number, user in enumerate(users)
        if user not in found or not found[user].active
    ]
    if errors:
        raise Invalid(told("Some people are not members.", "有人员不是成员。"), errors=errors)


async def _sees(case: Case, user: UUID) -> bool:
    if user == case.instance.submitter_id or any(task.assignee_id == user for task in case.tasks):
        return True
    query = select(CarbonCopy.id).where(
        col(CarbonCopy.instance_id) == case.instance.id, col(CarbonCopy.user_id) == user
    )
    return (await session().exec(query.limit(1))).first() is not None


async def _attached(case: Case, files: Sequence[UUID]) -> list[dict[str, object]]:
    """What is kept of attached files: those handed in here, which are the request's then, and those kept elsewhere."""
    ours = await own(files, case.actor)
    for file in ours.values():
        await use(file, case.instance.id)
    told = {
        each.id: {"id": str(each.id), "name": each.name, "media_type": each.media_type, "size": each.size}
        for each in ours.values()
    }
    elsewhere = await _described(files, {file_id for file_id in files if file_id not in ours})
    told |= {UUID(str(each["id"])): each for each in elsewhere}
    return [told[file_id] for file_id in dict.fromkeys(files)]


async def _described(every: Sequence[UUID], files: Collection[UUID]) -> list[dict[str, object]]:
    """Of files that are kept elsewhere: who may read them is asked of whoever attaches them."""
    store = find_service(ATTACHED_FILES)
    if files and store is None:
        raise invalid_field(
            "attachments",
            told("There is no such file that you have handed in and not used yet.", "没有您已上传且未使用的此文件。"),
            "unknown",
        )
    found: list[dict[str, object]] = []
    for number, file_id in enumerate(dict.fromkeys(every)):
        if file_id not in files:
            continue
        try:
            known = await store.describe(file_id) if store is not None else None
        except NotFound:
            known = None
        if known is None:
            raise invalid_field(
                f"attachments.{number}",
                told("There is no such file, or you may not read it.", "没有此文件，或您无权读取。"),
                "unknown",
            )
        found.append({"id": str(file_id), "name": known.name, "media_type": known.media_type, "size": known.size})
    return found


async def _write(case: Case, notices: Notices) -> None:
    case.instance.rev += 1
    await save(case)
    notices.publish()
