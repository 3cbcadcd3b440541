"""Keys: given by settings, or made once and kept in the var directory, readable by nobody else."""

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from riveredge_kernel.settings import Settings
from riveredge_sdk.secrets import UnreadableSecretError


def load_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """The file's content; if there is none, what `make` gives, written with mode 0600.

    Two processes that start together agree: the file is moved into place whole, and who comes second reads it.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()


def token_key(settings: Settings) -> Ed25519PrivateKey:
    """The key that signs access tokens.

    Raises:
        ValueError: it is no Ed25519 private key in PEM.
    """
    given = settings.auth.token_key
    pem = given.get_secret_value().encode() if given else load_or_create(settings.var_dir / "token_key.pem", _new_pem)
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(
            "RIVEREDGE_AUTH__TOKEN_KEY: expected an Ed25519 private key (openssl genpkey -algorithm ed25519)"
        )
    return key


def _new_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def vault(settings: Settings) -> MultiFernet:
    """Encrypts secrets at rest with the first key, and reads what any of them wrote."""
    keys = [key.get_secret_value().encode() for key in settings.secret_keys]
    return MultiFernet(
        [Fernet(key) for key in keys or [load_or_create(settings.var_dir / "secret_key", Fernet.generate_key)]]
    )


class KernelVault:
    """The VAULT port: what plugins seal and unseal."""

    def __init__(self, keys: MultiFernet) -> None:
        self._keys = keys

    def seal(self, text: str) -> str:
        return self._keys.encrypt(text.encode()).decode()

    def unseal(self, sealed: str) -> str:
        try:
            return self._keys.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise UnreadableSecretError("no key of this installation opens the secret") from None
