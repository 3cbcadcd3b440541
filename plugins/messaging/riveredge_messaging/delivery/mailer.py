"""Mails with secrets: through the installation's server, in the plugins' words, kept nowhere. Implements MAILER."""

from riveredge_messaging.channels.smtp import EmailChannel
from riveredge_messaging.configs.catalog import installation_smtp
from riveredge_messaging.providers.smtp import SmtpProvider
from riveredge_messaging.settings import MessagingSettings
from riveredge_messaging.templates.catalog import find_contributed
from riveredge_messaging.templates.composing import Reader, compose
from riveredge_messaging.templates.rendering import RenderError
from riveredge_sdk.features.messaging import (
    ConfigurationFailure,
    DirectMail,
    PermanentFailure,
    RenderedMessage,
    TemporaryFailure,
    UnknownOutcome,
)


class InstallationMailer:
    """See `riveredge_sdk.features.messaging.Mailer`."""

    def __init__(self, smtp: SmtpProvider) -> None:
        self._smtp = smtp

    def is_ready(self) -> bool:
        """Whether the installation has a mail server."""
        return MessagingSettings().smtp.host is not None

    async def send(self, mail: DirectMail) -> None:
        """Render and hand over."""
        template = find_contributed(mail.template)
        if template is None:
            raise PermanentFailure(f"No plugin brings the template {mail.template}.")
        try:
            reader = Reader(locale=mail.locale, timezone=mail.timezone)
            rendered = compose(template, EmailChannel(), mail.data, reader)
        except RenderError as error:
            raise PermanentFailure(f"The template cannot be rendered: {error}") from None
        message = RenderedMessage(
            delivery_id=mail.key,
            recipient_id=mail.key,
            address=mail.address,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            locale=rendered.locale,
        )
        try:
            config = installation_smtp()
        except LookupError as error:
            raise PermanentFailure(str(error)) from None
        try:
            await self._smtp.send(config, message)
        except (ConfigurationFailure, UnknownOutcome) as failure:
            # Whoever waits for a link would rather get the mail twice than not at all.
            raise TemporaryFailure(str(failure)) from None
