"""Secrets at rest: sealed with the installation's keys before they are stored.

    class Account(Model, table=True):
        __tablename__ = "invoices_account"
        password: str = Field(sa_type=SealedText)

    account = Account(password=seal(body.password.get_secret_value()))
    await sign_in(unseal(account.password))

The column's type says that what lies there is sealed, so that `riveredge secrets rotate` finds it.
"""

from typing import Protocol

from sqlalchemy import Text
from sqlalchemy.types import TypeDecorator

from riveredge_sdk.ports import Port, get_service


class UnreadableSecretError(Exception):
    """No key of the installation opens it: a key was lost, or the text was not sealed here."""


class Vault(Protocol):
    """The port's interface. The kernel provides it."""

    def seal(self, text: str) -> str:
        """The text, encrypted."""
        ...

    def unseal(self, sealed: str) -> str:
        """What was sealed.

        Raises:
            UnreadableSecretError: it cannot be opened.
        """
        ...


VAULT: Port[Vault] = Port("kernel.vault", version=1)


class SealedText(TypeDecorator[str]):
    """A column of sealed text."""

    impl = Text
    cache_ok = True


def seal(text: str) -> str:
    """Encrypt a secret for a `SealedText` column."""
    return get_service(VAULT).seal(text)


def unseal(sealed: str) -> str:
    """Read a sealed secret.

    Raises:
        UnreadableSecretError: it cannot be opened.
    """
    return get_service(VAULT).unseal(sealed)


__all__ = ["VAULT", "SealedText", "UnreadableSecretError", "Vault", "seal", "unseal"]
