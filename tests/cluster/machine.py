"""A machine with a kernel of its own on a lab's switch, by QEMU: what no lab host can show is shown
here, such as sysrq, control groups v2, kernel modules, and power by a command of the spec.

As a program it is the machine's BMC: `machine.py on FOLDER`, `machine.py off FOLDER`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from pathlib import Path

from kanae.lab import base, keys, network, sources
from kanae.lab.lab import greets
from kanae.lab.release import RELEASES, Image

# What a kernel of one's own needs besides; a lab's hosts borrow this machine's.
_PACKAGES = ("initramfs-tools", "linux-image-amd64", "udev")
_MEMORY = "2048"
_DISK = "10G"
# A kernel that is emulated takes its time.
BOOT_SECONDS = 600.0


def run(argv: list[str], *, timeout: float = 900, text: str = "") -> str:
    """Run a program; AssertionError with its stderr when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, input=text)
    assert done.returncode == 0, f"{argv[:3]}: {done.returncode}\n{done.stderr[-2000:]}"
    return done.stdout


@dataclass(frozen=True)
class Machine:
    """folder: disk, kernel, host key and pid. netns: of the lab's switch. address: with prefix."""

    folder: str
    name: str
    address: str
    gateway: str
    netns: str

    @classmethod
    def at(cls, folder: str) -> Machine:
        return cls(**json.loads((Path(folder) / "machine.json").read_text()))

    def path(self, name: str) -> Path:
        return Path(self.folder) / name

    def build(self, authorized: str) -> None:
        """Debian on a disk of its own, reached by root with this key, and a port of the switch."""
        root = self.path("root")
        run([
            "mmdebstrap", "--mode=root", "--variant=apt",
            "--include=" + ",".join([*RELEASES[Image.BOOKWORM].packages, *_PACKAGES]),
            "--dpkgopt=force-unsafe-io", '--aptopt=APT::Install-Recommends "false"',
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            '--customize-hook=rm -f "$1"/var/cache/apt/archives/*.deb',
            Image.BOOKWORM, str(root), *map(str, sources.configured(Image.BOOKWORM)),
        ])  # fmt: skip
        own = keys.generate()
        for leftover in (root / "etc/ssh").glob("ssh_host_*"):
            leftover.unlink()
        link = f"[Match]\nName=e*\n[Network]\nAddress={self.address}\nGateway={self.gateway}\n"
        for path, text, mode in (
            ("etc/hostname", f"{self.name}\n", 0o644),
            (
                "etc/hosts",
                f"127.0.0.1 localhost\n{self.address.split('/')[0]} {self.name}\n",
                0o644,
            ),
            ("etc/fstab", "/dev/vda / ext4 defaults 0 1\n", 0o644),
            ("etc/machine-id", "", 0o444),
            ("etc/resolv.conf", f"nameserver {self.gateway}\n", 0o644),
            ("etc/systemd/network/10-cable.network", link, 0o644),
            ("etc/ssh/ssh_host_ed25519_key", own.private, 0o600),
            ("etc/ssh/ssh_host_ed25519_key.pub", own.public + "\n", 0o644),
            ("root/.ssh/authorized_keys", authorized, 0o600),
        ):
            base.write(root / path, text, mode)
        run(["chroot", str(root), "systemctl", "enable", "systemd-networkd.service"])
        for kind in ("vmlinuz", "initrd.img"):
            shutil.copy(next((root / "boot").glob(f"{kind}-*")), self.path(kind))
        run(["mke2fs", "-q", "-t", "ext4", "-d", str(root), str(self.path("disk")), _DISK])
        shutil.rmtree(root)
        self.path("known_hosts").write_text(
            f"{self.name},{self.address.split('/')[0]} {own.public}\n"
        )
        self.path("machine.json").write_text(json.dumps(asdict(self)))
        plug = f"tuntap add dev {self.name} mode tap\n"
        plug += f"link set dev {self.name} master {network.BRIDGE} up\n"
        run(["ip", "-netns", self.netns, "-batch", "-"], text=plug)

    def _pid(self) -> int | None:
        """Of the QEMU that runs it now."""
        try:
            pid = int(self.path("pid").read_text())
            mine = self.folder in Path(f"/proc/{pid}/cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return pid if mine else None

    def on(self) -> None:
        if self._pid() is not None:
            return
        run([
            "nsenter", f"--net={network.NETNS / self.netns}",
            "qemu-system-x86_64", "-daemonize", "-pidfile", str(self.path("pid")),
            "-accel", os.environ.get("KANAE_TEST_ACCEL", "tcg"), "-cpu", "max", "-smp", "2",
            "-m", _MEMORY, "-display", "none", "-serial", f"file:{self.path('console')}",
            "-kernel", str(self.path("vmlinuz")), "-initrd", str(self.path("initrd.img")),
            "-append", "root=/dev/vda ro console=ttyS0 panic=-1",
            "-drive", f"file={self.path('disk')},if=virtio,format=raw,cache=unsafe",
            "-netdev", f"tap,id=cable,ifname={self.name},script=no,downscript=no",
            "-device", "virtio-net-pci,netdev=cable",
        ])  # fmt: skip

    def off(self) -> None:
        """As if its cord were pulled."""
        if (pid := self._pid()) is None:
            return
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while Path(f"/proc/{pid}").exists() and self._pid() is not None:
            assert time.monotonic() < deadline, f"QEMU {pid} does not die"
            time.sleep(0.05)

    def wait(self) -> None:
        """Until its sshd answers."""
        deadline = time.monotonic() + BOOT_SECONDS
        address = IPv4Address(self.address.split("/")[0])
        while not greets(address):
            console = self.path("console").read_text(errors="replace")[-2000:]
            assert time.monotonic() < deadline, f"no sshd on {address}; its console:\n{console}"
            time.sleep(0.5)

    def bmc(self, action: str) -> list[str]:
        """The command of the spec."""
        return [sys.executable, __file__, action, self.folder]


if __name__ == "__main__":
    machine = Machine.at(sys.argv[2])
    {"on": machine.on, "off": machine.off}[sys.argv[1]]()
