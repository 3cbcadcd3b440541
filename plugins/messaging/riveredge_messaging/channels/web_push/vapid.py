"""Tells push services who pushes: a signed token for each of them (VAPID, RFC 8292)."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from riveredge_messaging.channels.web_push.encryption import CURVE, encode, public_bytes

# At most 24 hours (RFC 8292 §2); some services count with clocks that are behind.
_GOOD_FOR = timedelta(hours=12)


def authorization(key: ec.EllipticCurvePrivateKey, endpoint: str, *, subject: str, now: datetime) -> str:
    """The `Authorization` header of a push to `endpoint`.

    Args:
        subject: where the operator is reached: `mailto:…` or an https address.
    """
    parts = urlsplit(endpoint)
    claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": int((now + _GOOD_FOR).timestamp()), "sub": subject}
    token = jwt.encode(claims, key, algorithm="ES256")
    return f"vapid t={token}, k={encode(public_bytes(key))}"


def read_key(pem: str) -> ec.EllipticCurvePrivateKey:
    """The installation's key.

    Raises:
        ValueError: it is no private key on the curve P-256, in PEM.
    """
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != CURVE.name:
        raise ValueError("expected a private key on the curve P-256 (openssl genpkey -algorithm EC …)")
    return key
