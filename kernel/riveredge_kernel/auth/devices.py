"""Where a sign-in comes from, as far as a request tells."""

import ipaddress
from dataclasses import dataclass

from starlette.requests import Request

_MAX_AGENT = 300


@dataclass(frozen=True, slots=True)
class Device:
    """`ip` is empty where there is none (the command line)."""

    ip: str = ""
    user_agent: str = ""

    @property
    def network(self) -> str:
        """What limits count by: the address, or of IPv6 the /64 that one line usually has (RFC 6177)."""
        try:
            address = ipaddress.ip_address(self.ip)
        except ValueError:
            return self.ip
        return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else self.ip


def device_of(request: Request) -> Device:
    """The device that sends the request. Its address is the proxy's unless proxies are named in the settings."""
    agent = request.headers.get("user-agent", "")[:_MAX_AGENT]
    return Device(request.client.host[:45] if request.client else "", "".join(c for c in agent if c.isprintable()))
