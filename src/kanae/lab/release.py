"""The Debian releases that hosts can boot, and all in which their base roots differ."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kanae.errors import UsageError


class Image(StrEnum):
    """What `--image` takes and records hold: a release by its code name, as apt has it."""

    BOOKWORM = "bookworm"
    TRIXIE = "trixie"


DEFAULT = Image.BOOKWORM


@dataclass(frozen=True, slots=True)
class Release:
    """version: VERSION_ID of its os-release. packages: installed in the base root. offered: not
    installed; in the repository inside, with what they depend on. masked: units that find nothing
    to do in a container or wait for hardware; each costs time at boot. locale: the path of the
    file below the root that has LANG.
    """

    version: str
    packages: tuple[str, ...]
    offered: tuple[str, ...]
    masked: tuple[str, ...]
    locale: str


_PACKAGES = (
    "ca-certificates",
    "conntrack",
    "curl",
    "dbus",
    "ethtool",
    "iproute2",
    "iptables",
    "iputils-ping",
    "kmod",
    "nftables",
    "openssh-server",
    "procps",
    "socat",
    "sudo",
    "systemd",
    "systemd-sysv",
    "util-linux",
)
# python3: for `drill --from`.
_OFFERED = ("haproxy", "keepalived", "libnginx-mod-stream", "nginx", "python3")
_MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "dpkg-db-backup.timer",
    "fstrim.timer",
    "getty.target",
    "kmod-static-nodes.service",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-binfmt.service",
    "systemd-firstboot.service",
    "systemd-initctl.socket",
    "systemd-journald-audit.socket",
    "systemd-machine-id-commit.service",
    "systemd-networkd-wait-online.service",
    "systemd-networkd.service",
    "systemd-pcrphase-sysinit.service",
    "systemd-pcrphase.service",
    "systemd-pstore.service",
    "systemd-random-seed.service",
    "systemd-repart.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
)

RELEASES = {
    Image.BOOKWORM: Release("12", _PACKAGES, _OFFERED, _MASKED, "etc/default/locale"),
    Image.TRIXIE: Release(
        "13",
        _PACKAGES,
        _OFFERED,
        (
            *_MASKED,
            # What a new /usr wants done at the next boot is done in the base root.
            "ldconfig.service",
            "systemd-journal-catalog-update.service",
            "systemd-update-done.service",
            # A second way in, beside the network, that systemd makes of its own accord.
            "sshd-unix-local.socket",
        ),
        # systemd makes /etc/default/locale a link to it at every boot.
        "etc/locale.conf",
    ),
}


def chosen(words: Sequence[str], hosts: Collection[str]) -> dict[str, Image]:
    """What `--image` says of each host; nothing of those that it does not say anything of.

    words: IMAGE for all hosts, HOST=IMAGE for one, whose own wins. hosts: all there are.
    Raises UsageError for an image or host that there is not, and for two that contradict.
    """
    for_all: Image | None = None
    own: dict[str, Image] = {}
    for word in words:
        host, one, name = word.rpartition("=")
        image = _image(name)
        if one and host not in hosts:
            raise UsageError(f"--image {word}: no host {host}", remedy=f"one of {_list(hosts)}")
        if (own.setdefault(host, image) if one else for_all or image) is not image:
            raise UsageError(f"--image {word}: {host or 'all hosts'} cannot have two images")
        if not one:
            for_all = image
    return (dict.fromkeys(hosts, for_all) if for_all else {}) | own


def _image(name: str) -> Image:
    try:
        return Image(name)
    except ValueError as error:
        raise UsageError(f"no image {name}", remedy=f"one of {_list(Image)}") from error


def _list(names: Collection[str]) -> str:
    return ", ".join(names)
