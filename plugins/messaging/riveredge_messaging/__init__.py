"""Messages: templates, e-mail and the in-app inbox."""

from riveredge_messaging.plugin import MessagingPlugin

plugin = MessagingPlugin()
