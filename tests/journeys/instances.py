"""`riveredge` processes that are started the way systemd does it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

BIN = Path(sys.executable).parent
# What systemd does: the socket is descriptor 3, and the variables name the process that begins now.
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


class Instance:
    """A process that gets the listening socket the way systemd hands it over, and tells when it is ready."""

    def __init__(
        self, sock: socket.socket, environment: dict[str, str], log: Path, command: Sequence[str] = ()
    ) -> None:
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = f"{log}.notify"
        self.told.bind(address)
        self.told.settimeout(60)
        self.log = log
        command = command or [str(BIN / "riveredge"), "serve"]
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", HAND_OVER, str(sock.fileno()), *command],
                env={**environment, "NOTIFY_SOCKET": address},
                pass_fds=[sock.fileno()],
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        """Wait for its word."""
        assert self.told.recv(100) == b"READY=1", self.log.read_text()

    def stop(self) -> None:
        """Have it end as systemd would, and see that it says so and ends well."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.log.read_text()
        assert self.told.recv(100) == b"STOPPING=1"
        self.told.close()

    def kill(self) -> None:
        """End it, however far it is."""
        self.process.kill()
        self.process.wait(60)
        self.told.close()


class Unit:
    """A unit file as systemd reads it, with another place for what lies in /etc, /opt and /var.

    Args:
        root: holds `etc` (the environment file, and the secrets), and gets `var` and the credentials.
        instance: what `%i` stands for.
    """

    def __init__(self, file: Path, root: Path, instance: str = "") -> None:
        credentials = root / f"credentials-{file.stem}"
        credentials.mkdir(mode=0o700)
        places = {"%S": str(root / "var"), "%d": str(credentials), "%i": instance}
        self.environment = {"PATH": os.environ["PATH"]}
        self.command: list[str] = []
        for line in file.read_text().splitlines():
            name, _, value = line.partition("=")
            for short, place in places.items():
                value = value.replace(short, place)
            if name == "ExecStart":
                self.command = value.replace("/opt/riveredge/bin", str(BIN)).split()
            elif name == "EnvironmentFile":
                lines = _below(root, value).read_text().splitlines()
                self.environment |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
            elif name == "Environment":
                self.environment |= dict([value.split("=", 1)])
            elif name == "LoadCredential":
                self._load(credentials, root, *value.split(":"))

    def _load(self, credentials: Path, root: Path, name: str, source: str) -> None:
        place = _below(root, source)
        files = {name: place} if place.is_file() else {f"{name}_{file.name}": file for file in place.iterdir()}
        for target, file in files.items():
            (credentials / target).write_bytes(file.read_bytes())


def _below(root: Path, path: str) -> Path:
    return root / path.removeprefix("/").replace("etc/riveredge", "etc")
