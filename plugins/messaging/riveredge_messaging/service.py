"""Accepts messages, and what is done with them afterwards. Implements the NOTIFIER port.

Everything happens in the running unit of work.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from riveredge_messaging.delivery import attachments
from riveredge_messaging.events import MESSAGE_DUE, MessageRef
from riveredge_messaging.metrics import ACCEPTED
from riveredge_messaging.models import Message, MessageKind, Stage, Verdict
from riveredge_messaging.repository import Messages
from riveredge_messaging.rules import following
from riveredge_messaging.rules.categories import GENERAL, all_categories
from riveredge_messaging.sending.audience import Audience
from riveredge_messaging.sending.expanding import INLINE, Planned, expand, plan
from riveredge_messaging.sending.flaws import Flaws
from riveredge_messaging.sending.stopping import cancel_about
from riveredge_messaging.templates.catalog import CatalogTemplate, channels, find_template, known_templates
from riveredge_messaging.templates.declarations import check_data
from riveredge_messaging.timeline.decisions import note
from riveredge_sdk import current_context, current_principal, publish, savepoint, timers, utcnow
from riveredge_sdk.features.message_categories import MessageCategory
from riveredge_sdk.features.messaging import Attachment, Notification
from riveredge_sdk.problems import Conflict, FieldError, Invalid, invalid_field

# How far ahead a message may be sent.
MAX_AHEAD_DAYS = 366


class Messaging:
    """What routes and other plugins ask for."""

    async def notify(self, notification: Notification) -> UUID:
        """Accept a message; see `riveredge_sdk.features.messaging.Notifier`."""
        return (await self.send(notification)).id

    async def cancel(self, correlation: str) -> int:
        """Cancel what has not been sent yet of the messages about something."""
        return await cancel_about(correlation)

    async def templates(self, keys: Collection[str]) -> frozenset[str]:
        """As the port says."""
        return await known_templates(keys)

    async def follow(self, topic: str, user_ids: Sequence[UUID], *, title: str = "") -> None:
        """Make people followers of a topic."""
        await following.follow(topic, user_ids, title=title)

    async def unfollow(self, topic: str, user_ids: Sequence[UUID]) -> None:
        """End that."""
        await following.unfollow(topic, user_ids)

    async def send(self, notification: Notification, *, strict: bool = False) -> Message:
        """Accept a message. Its first deliveries are made at once, further ones by a durable function.

        Args:
            strict: refuse another message under a key that was used before, instead of answering with that one.

        Raises:
            Invalid: the template, the category, a recipient, a channel, a time or a variable is not right.
        """
        known = await self._known(notification, strict=strict)
        if known is not None:
            return known
        files = await attachments.checked(notification.attachments)
        message = await self._checked(notification)
        if not await self._add(message):
            # Somebody else has used the key at the same time.
            known = await self._known(notification, strict=strict)
            if known is None:
                raise Conflict("The message with this key is being taken back: try again.")
            return known
        await attachments.keep(message, files)
        ACCEPTED.labels(message.kind).inc()
        note(message.id, rule="accept", verdict=Verdict.LET_THROUGH, reason="accepted")
        if files and (without := _without_files(message.channels)):
            detail = {"channels": ", ".join(without)}
            note(message.id, rule="attachments", verdict=Verdict.INFO, reason="files_left_out", detail=detail)
        await self._start(message)
        return message

    async def _add(self, message: Message) -> bool:
        """Insert the message; False if there is one with its key."""
        if message.idempotency_key is None:
            await Messages().add(message)
            return True
        try:
            async with savepoint():
                await Messages().add(message)
        except IntegrityError:
            return False
        return True

    async def _known(self, notification: Notification, *, strict: bool) -> Message | None:
        key = notification.idempotency_key
        if key is None:
            return None
        known = await Messages().find(col(Message.idempotency_key) == key)
        if known is not None and strict and known.request_hash != request_hash(notification):
            raise invalid_field(
                "idempotency_key",
                f"The key was used for another message, {known.id}: give this one a key of its own.",
                "key_used",
            )
        return known

    async def _start(self, message: Message) -> None:
        if message.send_at is not None and message.send_at > utcnow():
            message.stage = Stage.SCHEDULED
            detail = {"at": message.send_at.isoformat()}
            note(message.id, rule="send_at", verdict=Verdict.HELD, reason="scheduled", detail=detail)
            owner = timers.Owner("messaging.message", message.id)
            await timers.set(owner, "send", message.send_at, MESSAGE_DUE, MessageRef(message_id=message.id))
            return
        await expand(message, INLINE)
        if message.stage == Stage.EXPANDING:
            publish(MESSAGE_DUE, MessageRef(message_id=message.id))

    async def check(self, notification: Notification) -> None:
        """See that a message would be accepted.

        Raises:
            Invalid: as for `send`.
        """
        await attachments.checked(notification.attachments)
        await self._checked(notification)

    async def dry_run(self, notification: Notification, limit: int) -> tuple[Message, CatalogTemplate, list[Planned]]:
        """What would become of a message for the first `limit` people. Nothing is written or sent.

        Raises:
            Invalid: as for `send`.
        """
        await self._known(notification, strict=True)
        await attachments.checked(notification.attachments)
        message = await self._checked(notification)
        page = await Audience.model_validate(message.audience).page(None, limit)
        template = await find_template(notification.template)
        assert template is not None  # noqa: S101  (it was checked)
        return message, template, await plan(message, page, writes=False)

    async def send_test(self, template: CatalogTemplate, data: Mapping[str, Any], named: Sequence[str]) -> Message:
        """Send any version of a template to whoever asks, past the rules, and to nobody else.

        Raises:
            Invalid: a channel or a variable is not right.
        """
        me = current_principal()
        wanted = _channels(named, template, GENERAL)
        check_data(data, template.variables, uses=template.uses(wanted))
        audience = Audience(users=[me.id])
        await audience.check()
        message = Message(
            template=template.key,
            template_version_id=template.version_id,
            data=dict(data),
            sender_id=me.id,
            kind=MessageKind.TEST,
            channels=wanted,
            audience=audience.kept(),
        )
        await Messages().add(message)
        ACCEPTED.labels(message.kind).inc()
        note(message.id, rule="accept", verdict=Verdict.LET_THROUGH, reason="accepted")
        await expand(message, INLINE)
        return message

    async def send_again(self, message: Message) -> Message:
        """Send a message once more, as a new one.

        Raises:
            Invalid: a recipient, the template or something else of it is not there any more.
        """
        audience = Audience.model_validate(message.audience)
        return await self.send(
            Notification(
                template=message.template,
                to=audience.users,
                roles=audience.roles,
                groups=audience.groups,
                topics=audience.topics,
                everyone=audience.everyone,
                data=message.data,
                channels=message.channels,
                category=message.category,
                correlation=message.correlation,
                attachments=await attachments.of_message(message),
            )
        )

    async def _checked(self, notification: Notification) -> Message:
        """The message of a notification that is right in every respect; not added yet."""
        template = await find_template(notification.template)
        if template is None:
            raise invalid_field("template", f"There is no template {notification.template!r} here.", "unknown_template")
        flaws = Flaws()
        category, wanted = GENERAL, list(template.channels(channels()))
        with flaws.gathered():
            category = await _category(notification.category or template.category)
        with flaws.gathered():
            wanted = _channels(notification.channels, template, category)
        with flaws.gathered():
            check_data(notification.data, template.variables, uses=template.uses(wanted))
        with flaws.gathered():
            _check_times(notification.send_at, notification.expires_at)
        with flaws.gathered():
            if notification.attachments and len(_without_files(wanted)) == len(wanted):
                text = f"None of the channels carries files: {', '.join(wanted)}."
                raise invalid_field("attachments", text, "no_channel")
        audience = Audience(
            users=list(dict.fromkeys(notification.to)),
            roles=list(dict.fromkeys(notification.roles)),
            groups=list(dict.fromkeys(notification.groups)),
            topics=list(dict.fromkeys(notification.topics)),
            everyone=notification.everyone,
        )
        with flaws.gathered():
            await audience.check()
        flaws.tell()
        principal = current_context().principal
        return Message(
            template=notification.template,
            template_version_id=template.version_id,
            data=dict(notification.data),
            sender_id=principal.id if principal else None,
            correlation=notification.correlation,
            idempotency_key=notification.idempotency_key,
            request_hash=request_hash(notification) if notification.idempotency_key else None,
            category=category.id,
            channels=wanted,
            audience=audience.kept(),
            digest_key=notification.digest_key,
            send_at=notification.send_at,
            expires_at=notification.expires_at,
            files=len(notification.attachments),
            stage=Stage.EXPANDING,
        )


def request_hash(notification: Notification) -> str:
    """By which one request is told from another."""
    plain = replace(notification, attachments=())
    kept = {name: value for name, value in asdict(plain).items() if name not in {"idempotency_key", "attachments"}}
    if notification.attachments:
        kept["attachments"] = [_fingerprint(file) for file in notification.attachments]
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()


def _fingerprint(file: Attachment) -> list[str]:
    content = hashlib.sha256(file.content or b"").hexdigest()
    return [file.name, file.media_type, content, str(file.file_id), str(file.content_id)]


def _without_files(named: Sequence[str]) -> list[str]:
    """Those of the channels that carry no files."""
    there = channels()
    return [name for name in named if name not in there or not there[name].has_files]


async def _category(key: str | None) -> MessageCategory:
    there = await all_categories()
    found = there.get(key or GENERAL.id)
    if found is None:
        known = ", ".join(there)
        raise invalid_field("category", f"There is no category {key!r} here; there are: {known}.", "unknown_category")
    return found


def _channels(named: Sequence[str], template: CatalogTemplate, category: MessageCategory) -> list[str]:
    there = template.channels(channels())
    unknown = [
        FieldError(
            f"channels.{index}",
            f"The template has no text for a channel {name[:100]!r}; it has for: {', '.join(there)}.",
            "unknown",
        )
        for index, name in enumerate(named)
        if name not in there
    ]
    if unknown:
        raise Invalid(f"{len(unknown)} unknown channel(s).", errors=unknown)
    chosen = list(dict.fromkeys(named)) or [name for name in category.channels if name in there]
    every = channels()
    return chosen or [name for name in there if not every[name].only_if_named]


def _check_times(send_at: datetime | None, expires_at: datetime | None) -> None:
    now = utcnow()
    if send_at is not None and (send_at - now).days >= MAX_AHEAD_DAYS:
        raise invalid_field("send_at", f"At most {MAX_AHEAD_DAYS} days ahead.", "too_late")
    if expires_at is not None and expires_at <= max(now, send_at or now):
        raise invalid_field("expires_at", "It would be over before it is sent.", "too_early")
