"""What the messaging plugin contributes."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from riveredge_messaging import personal, retention
from riveredge_messaging import routes as message_routes
from riveredge_messaging.actions import SendMessage
from riveredge_messaging.channels.in_app import InAppChannel
from riveredge_messaging.channels.push import PushChannel
from riveredge_messaging.channels.rooms import ChatChannel, WebhookChannel
from riveredge_messaging.channels.sms import SmsChannel
from riveredge_messaging.channels.smtp import EmailChannel
from riveredge_messaging.configs import routes as config_routes
from riveredge_messaging.delivery import attempt_routes
from riveredge_messaging.delivery import functions as delivery_functions
from riveredge_messaging.delivery import models as delivery_models
from riveredge_messaging.delivery import routes as delivery_routes
from riveredge_messaging.delivery.attachments import ATTACHMENTS_QUOTA
from riveredge_messaging.delivery.mailer import InstallationMailer
from riveredge_messaging.events import EVENTS
from riveredge_messaging.feedback import routes as feedback_routes
from riveredge_messaging.feedback import suppression_routes, unsubscribe_routes
from riveredge_messaging.inbox import functions as inbox_functions
from riveredge_messaging.inbox import routes as inbox_routes
from riveredge_messaging.inbox import tab_routes
from riveredge_messaging.inbox.models import Inbox, InboxItem, InboxTab
from riveredge_messaging.inbox.stream import INBOX
from riveredge_messaging.models import Decision, Delivery, Message
from riveredge_messaging.permissions import INBOX_USE, PERMISSIONS, ROLES
from riveredge_messaging.providers import apprise
from riveredge_messaging.providers.aliyun_sms import AliyunSms
from riveredge_messaging.providers.apns import Apns
from riveredge_messaging.providers.apprise import Apprise
from riveredge_messaging.providers.fcm import Fcm
from riveredge_messaging.providers.smtp import SmtpProvider
from riveredge_messaging.providers.twilio import Twilio
from riveredge_messaging.providers.webhook import Webhook
from riveredge_messaging.reach import address_routes, device_routes
from riveredge_messaging.reach.functions import SEND_CODE
from riveredge_messaging.reach.models import Address, Device, PushKey
from riveredge_messaging.rules import category_routes, preference_routes, topic_routes
from riveredge_messaging.rules.categories import GENERAL
from riveredge_messaging.rules.models import (
    Allowance,
    Bucket,
    Category,
    Follower,
    Policy,
    Preference,
    QuietHours,
    Topic,
)
from riveredge_messaging.sending import functions as sending_functions
from riveredge_messaging.service import Messaging
from riveredge_messaging.settings import MessagingSettings, MessagingTenantSettings
from riveredge_messaging.templates import block_routes
from riveredge_messaging.templates import routes as template_routes
from riveredge_messaging.templates.built_in import TEMPLATES
from riveredge_messaging.templates.models import Block, Template, TemplateVersion
from riveredge_messaging.timeline import live
from riveredge_messaging.timeline.live import PROGRESS
from riveredge_messaging.triggers import functions as trigger_functions
from riveredge_messaging.triggers import models as trigger_models
from riveredge_messaging.triggers import routes as trigger_routes
from riveredge_messaging.triggers.watching import RULE_EVENTS
from riveredge_sdk import (
    EventType,
    FunctionSpec,
    NavItem,
    Permission,
    PlatformModel,
    Plugin,
    PluginSettings,
    Role,
    Router,
    Service,
    StreamTopic,
    TenantModel,
    TenantSettings,
)
from riveredge_sdk.features.message_categories import MessageCategory
from riveredge_sdk.features.messaging import MAILER, NOTIFIER, MessageChannel, MessageProvider, MessageTemplateSpec
from riveredge_sdk.features.scheduling import TaskAction
from riveredge_sdk.quotas import Quota
from riveredge_sdk.watching import EventWatcher


class MessagingPlugin(Plugin):
    """Templates, channels, providers and the in-app inbox."""

    id = "messaging"
    title = "Messaging"
    description = "Templated messages by e-mail, SMS, push, webhook, chat and in-app, delivered by durable functions."

    def __init__(self) -> None:
        self._smtp = SmtpProvider()
        self._apns = Apns()

    def routers(self) -> Iterable[Router]:
        return (
            template_routes.router,
            block_routes.router,
            message_routes.router,
            delivery_routes.router,
            trigger_routes.router,
            category_routes.router,
            category_routes.policy_router,
            preference_routes.router,
            topic_routes.router,
            inbox_routes.router,
            tab_routes.router,
            address_routes.router,
            device_routes.router,
            attempt_routes.router,
            config_routes.router,
            config_routes.providers_router,
            suppression_routes.router,
            feedback_routes.router,
            unsubscribe_routes.router,
        )

    def models(self) -> Iterable[type[TenantModel] | type[PlatformModel]]:
        return (
            Template,
            TemplateVersion,
            Block,
            Message,
            Delivery,
            Decision,
            Category,
            Policy,
            Preference,
            QuietHours,
            Bucket,
            Allowance,
            Topic,
            Follower,
            Inbox,
            InboxItem,
            InboxTab,
            Address,
            Device,
            PushKey,
            *delivery_models.MODELS,
            *trigger_models.MODELS,
        )

    def functions(self) -> Iterable[FunctionSpec[Any]]:
        return (
            *delivery_functions.FUNCTIONS,
            *sending_functions.FUNCTIONS,
            *inbox_functions.FUNCTIONS,
            *live.FUNCTIONS,
            *trigger_functions.FUNCTIONS,
            *retention.FUNCTIONS,
            SEND_CODE,
        )

    def event_types(self) -> Iterable[EventType[Any]]:
        return EVENTS

    def event_watchers(self) -> Iterable[EventWatcher]:
        return (RULE_EVENTS,)

    def permissions(self) -> Iterable[Permission]:
        return PERMISSIONS

    def roles(self) -> Iterable[Role]:
        return ROLES

    def settings(self) -> Iterable[type[PluginSettings]]:
        return (MessagingSettings,)

    def tenant_settings(self) -> Iterable[type[TenantSettings]]:
        return (MessagingTenantSettings,)

    def services(self) -> Iterable[Service[Any]]:
        return (Service(NOTIFIER, Messaging()), Service(MAILER, InstallationMailer(self._smtp)))

    def stream_topics(self) -> Iterable[StreamTopic]:
        return (INBOX, PROGRESS)

    def navigation(self) -> Iterable[NavItem]:
        return (NavItem("messaging.inbox", "Inbox", "messaging/inbox", "inbox", permission=INBOX_USE, order=10),)

    def message_channels(self) -> Iterable[MessageChannel]:
        return (EmailChannel(), InAppChannel(), PushChannel(), SmsChannel(), WebhookChannel(), ChatChannel())

    def message_providers(self) -> Iterable[MessageProvider[Any]]:
        # Apprise is an extra.
        chat = (Apprise(),) if apprise.is_installed() else ()
        return (self._smtp, Twilio(), AliyunSms(), Fcm(), self._apns, Webhook(), *chat)

    def quotas(self) -> Iterable[Quota]:
        return (ATTACHMENTS_QUOTA,)

    async def shutdown(self) -> None:
        await self._smtp.aclose()
        await self._apns.aclose()

    def message_templates(self) -> Iterable[MessageTemplateSpec]:
        return TEMPLATES

    def message_categories(self) -> Iterable[MessageCategory]:
        return (GENERAL,)

    def task_actions(self) -> Iterable[TaskAction[Any]]:
        return (SendMessage(),)

    async def export_personal_data(self, user_id: UUID) -> dict[str, Any]:
        return await personal.export(user_id)

    async def erase_personal_data(self, user_id: UUID) -> int:
        return await personal.erase(user_id)
