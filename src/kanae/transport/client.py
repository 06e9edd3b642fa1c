"""Our end of an SSH connection while it is opened. Imported only when one is: asyncssh is slow."""

from __future__ import annotations

import asyncssh


class Client(asyncssh.SSHClient):
    """untrusted: the host key that was shown and refused, None while there is none."""

    def __init__(self) -> None:
        self.untrusted: asyncssh.SSHKey | None = None

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        """Called for a key that is not in known_hosts, and not for one that is revoked there."""
        self.untrusted = key
        return False
