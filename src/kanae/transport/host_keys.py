"""A host key that is not trusted, in the words of this tool: what was shown, and what is known."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from kanae.errors import ConnectError, HostKeyChanged, HostKeyUnknown, OfferedKey
from kanae.transport.known_hosts import entry_name, public
from kanae.transport.target import Target

if TYPE_CHECKING:
    import asyncssh


def host_key_refused(
    target: Target, error: Exception, untrusted: asyncssh.SSHKey | None
) -> ConnectError:
    """error: why the connection ended. untrusted: the key that was shown, if it was a plain one."""
    if untrusted is None:
        return _no_key(target, error)
    return _untrusted(
        target,
        OfferedKey(
            target.host,
            target.where,
            entry_name(target.known_name, target.port),
            public(untrusted),
            untrusted.get_fingerprint(),
            tuple(target.known.trusted()),
        ),
    )


def _untrusted(target: Target, offered: OfferedKey) -> ConnectError:
    """Unknown or changed? Changed when known_hosts has any key for the host."""
    file = f"/etc/ssh/ssh_host_{_FILES.get(offered.algorithm, 'ecdsa')}_key.pub"
    compare = f"compare it with `ssh-keygen -lf {file}` on the host's own console"
    accept = f"--accept-host-key {offered.fingerprint}"
    if offered.known:
        return HostKeyChanged(
            target.host,
            f"{target.where} shows another host key than the known one: it shows {offered}, known "
            f"is {', '.join(offered.known)}; the host was installed anew, or somebody is in "
            "between",
            remedy=f"{compare}; if the machine was reinstalled and they agree: {accept}",
        ).showing(offered)
    return HostKeyUnknown(
        target.host,
        f"the host key of {target.where} is not in {_searched(target)}: it shows {offered}",
        remedy=f"{compare}; if they agree: {accept}",
    ).showing(offered)


# Where sshd keeps the key of a kind; those that are not named here are all ECDSA.
_FILES = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}


def _no_key(target: Target, error: Exception) -> ConnectError:
    """The host has shown no key that could be accepted."""
    import asyncssh

    reason = error.reason if isinstance(error, asyncssh.DisconnectError) else str(error)
    known = target.known
    if known.revoked or known.authorities or known.keys:
        told = "".join(f"; known is {key}" for key in known.trusted())
        return HostKeyChanged(
            target.host,
            f"{target.where} shows no host key that is trusted by {_searched(target)} "
            f"({reason}){told}: the host was installed anew, or somebody is in between",
            remedy=f"look at its keys with `{_keyscan(target)} | ssh-keygen -lf -`, and compare "
            "them with /etc/ssh/ssh_host_*_key.pub on the host's own console",
        )
    return ConnectError(
        target.host,
        f"cannot connect to {target.where}: {reason}",
        remedy="the host's sshd offers only algorithms that are not accepted here: update it",
    )


def _searched(target: Target) -> str:
    return " or ".join(str(file) for file in target.known_hosts)


def _keyscan(target: Target) -> str:
    """A command that prints the host's keys; on the jump host, where there is one."""
    scan = f"ssh-keyscan -p {target.port} {shlex.quote(target.address)}"
    if target.jump is None:
        return scan
    before, _, last = target.jump.rpartition(",")
    # With a port it has to be a URI: user@host:port is none of ssh's forms.
    gate = f"ssh://{last}" if ":" in last and "://" not in last else last
    through = f"-J {shlex.quote(before)} " if before else ""
    return f"ssh {through}{shlex.quote(gate)} {scan}"
