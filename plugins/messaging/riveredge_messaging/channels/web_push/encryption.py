"""Encrypts what is pushed so that only the browser reads it, not the push service (RFC 8291, over RFC 8188)."""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CURVE = ec.SECP256R1()
# Push services take bodies of 4096 bytes (RFC 8030 §7.2): less the header, the tag and the end mark.
MAX_CONTENT = 4096 - 86 - 16 - 1
_RECORD_SIZE = (4096).to_bytes(4, "big")


def encrypt(
    content: bytes,
    *,
    p256dh: bytes,
    auth: bytes,
    key: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """The body of a push, of the content coding `aes128gcm`.

    Args:
        p256dh, auth: the subscription's keys: an uncompressed point of 65 bytes, and 16 bytes.
        key, salt: fresh for each message; given only to compare with the RFC's example.

    Raises:
        ValueError: the content is longer than `MAX_CONTENT`, or `p256dh` is no point of the curve.
    """
    if len(content) > MAX_CONTENT:
        raise ValueError(f"at most {MAX_CONTENT} bytes can be pushed")
    key, salt = key or ec.generate_private_key(CURVE), salt or os.urandom(16)
    browser = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, p256dh)
    own = public_bytes(key)
    shared = key.exchange(ec.ECDH(), browser)
    secret = _derive(shared, auth, b"WebPush: info\0" + p256dh + own, 32)
    cipher = AESGCM(_derive(secret, salt, b"Content-Encoding: aes128gcm\0", 16))
    # One record, the last: its end mark is 2.
    sealed = cipher.encrypt(_derive(secret, salt, b"Content-Encoding: nonce\0", 12), content + b"\2", None)
    return salt + _RECORD_SIZE + bytes([len(own)]) + own + sealed


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key as an uncompressed point."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def encode(value: bytes) -> str:
    """Base64 for URLs, without padding."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def decode(value: str) -> bytes:
    """What `encode` made, or a browser, some of which pad.

    Raises:
        ValueError: it is no base64.
    """
    return urlsafe_b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4))


def _derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(secret)
