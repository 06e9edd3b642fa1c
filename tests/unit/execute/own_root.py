"""A host in namespaces of its own: scripts run as root by a real shell, with real mounts, in a root
folder of the test's and among no processes but its own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ENTER: Final = """set -e
mount --make-rprivate /
mount --rbind "$ROOT" "$ROOT"
cd "$ROOT"
mount --rbind /usr usr && mount -t tmpfs none usr/local && mkdir usr/local/bin usr/local/sbin
mount --bind /etc/alternatives etc/alternatives
cp -a programs/. usr/local/bin/
mount -t proc none proc && mount -t sysfs none sys && mount --rbind /dev dev
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec chroot . /bin/sh -c "$SCRIPT"
"""
_FOLDERS: Final = ("usr", "proc", "sys", "dev", "tmp", "programs", "etc/alternatives", "run", "opt",
                   "var/lib", "var/log")  # fmt: skip
# What is called on a host and must not be of this machine: each call is a line of /calls.
_RECORDED: Final = ("systemctl", "crictl", "ctr", "nft")
# systemctl's own answer for a unit that does not run, and for one that is not enabled.
_NO: Final = 'case "$1" in is-*) exit 3 ;; esac\n'


@dataclass(frozen=True)
class OwnRoot:
    """root: the host's root folder, in which tests look and lay things out."""

    root: Path

    @classmethod
    def at(cls, folder: Path) -> OwnRoot:
        host = cls(folder / "root")
        for each in _FOLDERS:
            (host.root / each).mkdir(parents=True)
        for link in ("bin", "sbin", "lib", "lib64"):
            if Path("/", link).is_symlink():
                (host.root / link).symlink_to(f"usr/{link}")
        for name in _RECORDED:
            host.program(name, _NO if name == "systemctl" else "")
        for name in ("iptables-save", "ip6tables-save", "iptables-restore", "ip6tables-restore"):
            host.program(name, "")
        return host

    def program(self, name: str, script: str) -> None:
        path = self.root / "programs" / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>/calls\n{script}')
        path.chmod(0o755)

    def path(self, there: str) -> Path:
        return self.root / there.lstrip("/")

    def write(self, there: str, text: str = "") -> Path:
        path = self.path(there)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def calls(self) -> list[str]:
        path = self.path("/calls")
        return path.read_text().splitlines() if path.exists() else []

    def run(
        self, script: str, *, before: str = "", after: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """before: lines of sh for what is on the host. after: lines whose output is wanted."""
        command = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"]
        whole = f"{before}\nsh -c {_quoted(script)} </dev/null; status=$?\n{after}\nexit $status"
        return subprocess.run(
            [*command, *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c", _ENTER],
            env={**os.environ, "ROOT": str(self.root), "SCRIPT": whole, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def _quoted(script: str) -> str:
    return "'" + script.replace("'", "'\\''") + "'"
