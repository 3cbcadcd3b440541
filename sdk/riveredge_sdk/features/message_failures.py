"""Why a message could not be handed over: raised by channels and providers, and it says what happens next.

Import them from `riveredge_sdk.features.messaging`.
"""

from datetime import datetime


class TemporaryFailure(Exception):  # noqa: N818
    """Nothing was sent, and it may work later, or through another provider.

    Args:
        retry_after: seconds, if the peer asked to wait (a quota is used up): the provider then rests that long, which
            is no failure of it.
        of_recipient: it is the recipient's side that is not ready (a full mailbox, greylisting): tried again later
            through the same provider, against which it does not count.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, of_recipient: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.of_recipient = of_recipient


class PermanentFailure(Exception):  # noqa: N818
    """It is the recipient or the message: neither another try nor another provider can help.

    Args:
        bad_address: the address itself is wrong or gone (an unknown mailbox, a dead device), not only this message
            refused: it is not used again.
        gone_at: of a device, since when it is gone: one that has registered since is used again.
    """

    def __init__(self, message: str, *, bad_address: bool = False, gone_at: datetime | None = None) -> None:
        super().__init__(message)
        self.bad_address = bad_address
        self.gone_at = gone_at


class ConfigurationFailure(Exception):  # noqa: N818
    """It is the provider's configuration: wrong credentials, an unknown sender. Nothing was sent.

    The configuration is taken out of use until somebody mends it, and another one takes over.
    """


class UnknownOutcome(Exception):  # noqa: N818
    """The message was handed over and no answer came: it may have been sent. Repeated only where that is allowed."""
