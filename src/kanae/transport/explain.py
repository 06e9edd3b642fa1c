"""Every way in which reaching a host as root can fail, in the words of this tool.

Each is one paragraph that names the host, user, address and port, and says what to do.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kanae.errors import (
    AuthenticationFailed,
    ConnectError,
    HostKeyUnknown,
    LabError,
    SudoRefused,
)
from kanae.lab import record
from kanae.transport.host_keys import host_key_refused
from kanae.transport.target import Target

if TYPE_CHECKING:
    import asyncssh

PASSWORD = "`ssh: {sudo: password}`"  # noqa: S105  # how the spec says that sudo wants one
GIVE_PASSWORD = "it is asked once, or taken from the variable KANAE_SUDO_PASSWORD"  # noqa: S105


def explained(
    target: Target, error: Exception, timeout: float, untrusted: asyncssh.SSHKey | None = None
) -> ConnectError:
    """Why connecting or authenticating failed. error: an OSError or asyncssh.Error.

    untrusted: the host key that was shown and refused.
    """
    import asyncssh

    host, where = target.host, target.where
    refusal = isinstance(error, asyncssh.PermissionDenied | asyncssh.HostKeyNotVerifiable)
    if refusal and (lab := _other_lab(target)):
        return _of_lab(target, lab, error)
    if isinstance(error, asyncssh.PermissionDenied):
        return AuthenticationFailed(
            host,
            f"{where} refuses this user or key; {_offered(target)}",
            remedy=f"check {_settings(target, ('user', 'key'), ('User', 'IdentityFile'))}; the "
            "public key has to be in that user's ~/.ssh/authorized_keys on the host, and a key "
            "with a passphrase in ssh-agent here",
        )
    if isinstance(error, asyncssh.DisconnectError) and "authentication failures" in error.reason:
        return AuthenticationFailed(
            host,
            f"{where} refuses after too many keys; {_offered(target)}",
            remedy="offer fewer: `IdentitiesOnly yes` with an IdentityFile in ssh_config, or an "
            "ssh-agent with only the keys for these hosts",
        )
    if isinstance(error, asyncssh.HostKeyNotVerifiable | asyncssh.KeyExchangeFailed):
        return host_key_refused(target, error, untrusted)
    what, remedy = _unconnected(target, error, timeout)
    return ConnectError(host, f"cannot connect to {where}: {what}", remedy=remedy)


def _other_lab(target: Target) -> str:
    """The lab of this machine that has a host of this name and address, and whose SSH settings were
    not used: "" when there is none."""
    for name in record.recorded():
        folder = record.labs_folder() / name
        try:
            lab = record.read(folder)
        except LabError:
            continue
        hosts = {(host.name, str(host.address)) for host in lab.hosts} if lab is not None else ()
        used = any(folder in file.parents for file in target.known_hosts)
        if (target.host, target.address) in hosts and not used:
            return name
    return ""


def _of_lab(target: Target, lab: str, error: Exception) -> ConnectError:
    """A cluster takes the SSH settings of the lab of its own name."""
    import asyncssh

    denied = isinstance(error, asyncssh.PermissionDenied)
    kind = AuthenticationFailed if denied else HostKeyUnknown
    return kind(
        target.host,
        f"a host of the lab {lab}, whose SSH settings are taken only for a cluster of that name",
        remedy=f"set name: {lab} in the spec again, or "
        f"`ssh: {{config: {record.labs_folder() / lab / 'ssh_config'}}}`",
        where=target.where,
    )


def _unconnected(target: Target, error: Exception, timeout: float) -> tuple[str, str]:
    """What happened, and the remedy."""
    import asyncssh

    port = _settings(target, ("port",), ("Port",))
    address = (
        _settings(target, (), ("HostName",))
        if target.is_jump
        else "its address in the spec (or HostName in ssh_config)"
    )
    if isinstance(error, TimeoutError):
        return (
            f"no answer within {timeout:g} s",
            f"is the host up, {address} right, and no firewall in between?",
        )
    if isinstance(error, ConnectionRefusedError):
        return "connection refused", f"is sshd running there, and on this port ({port})?"
    if isinstance(error, asyncssh.ChannelOpenError):
        return (
            f"the jump host {target.jump} does not get there: {error.reason}",
            f"is the host up and sshd running there, and {address} and {port} right?",
        )
    if isinstance(error, socket.gaierror):
        return (
            f"this name is not known: {error.strerror}",
            "check HostName in ssh_config, or the jump host's name, and this machine's resolver",
        )
    if isinstance(error, asyncssh.ConnectionLost | ConnectionResetError):
        return (
            "it closed the connection at once",
            "see sshd's log on the host (too many connections at once: MaxStartups? addresses that "
            f"are let in?), and whether it is sshd that listens on this port ({port})",
        )
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno), f"check {address} and the route to it"
    return (
        str(error) or type(error).__name__,
        f"is it sshd that listens on this port ({port})? see its log on the host",
    )


def _settings(target: Target, spec: Sequence[str], ssh_config: Sequence[str]) -> str:
    """Where settings of the target are made; those of jump hosts are not in the spec."""
    if target.is_jump:
        return f"{' and '.join(ssh_config)} of `Host {target.alias}` in ssh_config"
    return f"{' and '.join(f'`ssh.{name}`' for name in spec)} in the spec"


def _offered(target: Target) -> str:
    """Which keys were shown to the host."""
    kinds = ["keys of ssh-agent"] if os.environ.get("SSH_AUTH_SOCK") else []
    skipped = ""
    if target.options.client_keys:
        kinds = [", ".join(target.keys) or "keys of ~/.ssh", *kinds]
    elif target.keys:
        skipped = "".join(
            f"{file} {'has a passphrase' if Path(file).exists() else 'is not there'}; "
            for file in target.keys
        )
    return f"{skipped}offered: {' and '.join(kinds) or 'no key, and there is no ssh-agent'}"


def sudo_unasked(target: Target) -> SudoRefused:
    """sudo wants a password by the spec, and there is none to give."""
    return SudoRefused(
        target.host,
        "a password is required for sudo (`ssh.sudo` in the spec), none was given, and there is "
        "no terminal to ask on",
        remedy="put it into the variable KANAE_SUDO_PASSWORD, or run kanae on a terminal",
        where=target.where,
    )


def sudo_refused(
    target: Target, stdout: bytes, stderr: bytes, status: int, *, given: bool
) -> ConnectError:
    """A command that was to begin with sudo did not begin. given: a password was given to sudo."""
    text = stderr.decode(errors="replace").replace("kanae:", " ")
    # Without what a shell's start-up files print.
    telling = "\n".join(line for line in text.splitlines() if "sudo" in line)
    if not telling:
        # sudo never fails in silence: something before it did, as an account without a shell.
        return not_started(target, stdout, stderr, status)
    said = _said(telling, status)
    user = target.user
    rule = f"`{user} ALL=(ALL) NOPASSWD: ALL` in a file in /etc/sudoers.d there"
    what = f"sudo does not let {user} become root: {said}"
    if _NO_SUDO.search(said):
        what = f"there is no sudo to become root with: {said}"
        remedy = "install sudo there, or log in as root: `ssh: {user: root}` in the spec"
    elif re.search(r"not in the sudoers|may not run sudo|not allowed to", said):
        remedy = f"allow it: {rule}; or log in as another user (`ssh.user` in the spec)"
    elif re.search(r"must have a tty|terminal is required", said):
        remedy = f"allow it without a terminal: `Defaults:{user} !requiretty` in sudoers there"
    elif re.search(r"setuid|no new privileges|effective uid", said):
        remedy = "put sudo right there: owned by root, set-uid, on a file system without nosuid"
    elif given and re.search(r"incorrect password|no password was provided", said):
        what = f"the password that was given is not the one that sudo wants of {user}"
        remedy = f"give the right password ({GIVE_PASSWORD}), or allow it without: {rule}"
    elif given:
        remedy = f"give the right password ({GIVE_PASSWORD}), or allow it without: {rule}"
    else:
        remedy = f"set {PASSWORD} in the spec ({GIVE_PASSWORD}), or allow it without: {rule}"
    return SudoRefused(target.host, what, remedy=remedy, where=target.where)


# By dash, bash, busybox; by fish; by csh. sudo's own "sudo: X: command not found" is none of them.
_NO_SUDO = re.compile(
    r"\bsudo: (command )?not found|[Uu]nknown command:? '?sudo|sudo: Command not found"
)


# By sshd (session.c) or PAM instead of a command, and by passwd where sshd runs that.
_PASSWORD_EXPIRED = re.compile(
    r"password has expired|password change required|required to change your password", re.IGNORECASE
)
# By nologin(8) of util-linux, shadow and systemd, with their default texts.
_NO_LOGIN = re.compile(r"account is currently not available|account is not available")


def not_started(target: Target, stdout: bytes, stderr: bytes, status: int) -> ConnectError:
    """The host lets the user in, but what ran was not the script: a password that has expired, a
    forced command, an account without a shell, or a program that is missing."""
    said = _said(b" ".join((stdout, stderr)).decode(errors="replace"), status)
    user = target.user
    what = f"lets this user in but runs nothing for it: {said}"
    remedy = (
        "name a user with a login shell (`ssh.user` in the spec), whose key has no forced command "
        "in authorized_keys; the host needs env, timeout, sh and dd"
    )
    if _PASSWORD_EXPIRED.search(said):
        what = f"the password of {user} has expired, and nothing is run for it before it is changed"
        remedy = (
            f"change it there: log in as {user} on a terminal; or let it not expire: "
            f"`chage -M -1 -d $(date +%F) {shlex.quote(user)}` there"
        )
    elif _NO_LOGIN.search(said):
        what = f"{user} has no login shell there: {said}"
        remedy = (
            f"give it one: `usermod -s /bin/sh {shlex.quote(user)}` there; or name another user "
            "(`ssh.user` in the spec)"
        )
    else:
        return ConnectError(target.host, f"{target.where} {what}", remedy=remedy)
    return ConnectError(target.host, what, remedy=remedy, where=target.where)


def _said(text: str, status: int) -> str:
    """The end of it, on one line."""
    return " ".join(text.split())[-300:] or f"exit status {status} and no reason given"
