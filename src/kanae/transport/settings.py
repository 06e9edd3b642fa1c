"""How one host is reached: the spec's ssh settings of the cluster and the host, with ssh_config.

A setting of the host beats one of the cluster, which beats ssh_config(5), which beats ssh's own
defaults. ssh_config is asked for the host's name in the spec when a `Host` line other than `*`
names it, else for its address. What is dialled is the `HostName` that ssh_config gives for it, if
it does (the operator may reach hosts by other addresses than they reach each other), else the
address in the spec.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from kanae import paths
from kanae.spec.models import Spec, Ssh, Sudo


@dataclass(frozen=True, slots=True)
class Reach:
    """host: name in the spec. alias: what ssh_config is asked for. None: left to ssh_config.

    is_jump: a jump host, which is not in the spec. accepted: known_hosts of the host keys that were
    accepted for the cluster.
    """

    host: str
    address: str
    alias: str
    user: str | None = None
    port: int | None = None
    key: Path | None = None
    config: Path | None = None
    known_hosts: Path | None = None
    jump: str | None = None
    sudo: Sudo = Sudo.AUTO
    connect_timeout: float = 10.0
    is_jump: bool = False
    accepted: Path | None = None


def reach_of(spec: Spec, host: str) -> Reach:
    ssh = spec.ssh_of(host)
    address = str(spec.hosts[host].address)
    config = _config(spec.name, ssh)
    return Reach(
        host=host,
        address=address,
        alias=host if config is not None and names(config, host) else address,
        user=ssh.user,
        port=ssh.port,
        key=_path(ssh.key),
        config=config,
        known_hosts=_path(ssh.known_hosts),
        jump=ssh.jump,
        sudo=ssh.sudo,
        connect_timeout=ssh.connect_timeout,
        accepted=paths.known_hosts(spec.name),
    )


def _path(value: str | None) -> Path | None:
    return None if value is None else paths.expanded(value)


def _config(cluster: str, ssh: Ssh) -> Path | None:
    """The file named in the spec, else that of the lab that plays the cluster's hosts, else the
    user's own."""
    if ssh.config is not None:
        return _path(ssh.config)
    for candidate in (
        paths.lab_dir(cluster) / "ssh_config",
        paths.guest_config(cluster),
        paths.home() / ".ssh" / "config",
    ):
        if os.access(candidate, os.R_OK):
            return candidate
    return None


def names(config: Path, host: str) -> bool:
    """Whether a `Host` line in this ssh_config or one that it includes means this very host."""

    def means(pattern: str) -> bool:
        return bool(pattern.strip("*")) and fnmatchcase(host, pattern)

    return any(
        any(map(means, patterns))
        and not any(means(pattern[1:]) for pattern in patterns if pattern.startswith("!"))
        for patterns in _host_lines(config, depth=0)
    )


def _host_lines(config: Path, depth: int) -> Iterator[list[str]]:
    """Patterns of each."""
    # ssh itself stops at 16 levels of Include.
    if depth > 16 or not config.is_file():
        return
    for line in config.read_text(errors="replace").splitlines():
        word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        if word.lower() == "host":
            yield [part.strip('"') for part in rest.split()]
        elif word.lower() == "include":
            for name in rest.split():
                # Those that do not begin with / or ~ are in ~/.ssh, see ssh_config(5).
                found = paths.home() / ".ssh" / paths.expanded(name.strip('"'))
                for path in sorted(Path("/").glob(str(found).lstrip("/"))):
                    yield from _host_lines(path, depth + 1)
