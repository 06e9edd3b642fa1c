"""Accepting host keys that are not known, or not the known ones: by fingerprint, or when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kanae.errors import HostError, HostKeyRefused, OfferedKey, UsageError
from kanae.transport.known_hosts import accept


@dataclass(frozen=True, slots=True)
class HostKeys:
    """Which host keys are accepted that are not trusted; by default none.

    accepted: fingerprints, as `SHA256:...`. ask: whether to accept one that is not among them; None
    where nobody is to be asked. say: told of each that was accepted.
    """

    accepted: frozenset[str] = frozenset()
    ask: Callable[[OfferedKey], bool] | None = None
    say: Callable[[str], None] | None = None


@dataclass(slots=True)
class Acceptance:
    """One opening of a fleet. file: where accepted keys are kept, see `known_hosts`."""

    keys: HostKeys
    file: Path
    _decided: set[OfferedKey] = field(default_factory=set[OfferedKey])

    def of(self, errors: Mapping[str, HostError]) -> list[str]:
        """Accept what may be accepted of the keys that hosts were refused for. Returns the hosts
        that are to be tried again; each key is decided on once.
        """
        again: list[str] = []
        decided_before = frozenset(self._decided)
        accepted: set[OfferedKey] = set()
        for host, error in errors.items():
            offered = error.offered if isinstance(error, HostKeyRefused) else None
            if offered is None or offered in decided_before:
                continue
            # Several hosts may be behind one jump host.
            if offered not in self._decided:
                self._decided.add(offered)
                if self._agreed(offered):
                    accepted.add(offered)
                    accept(self.file, offered)
                    if self.keys.say is not None:
                        self.keys.say(
                            f"{offered.host}: accepted the host key {offered} of {offered.where}; "
                            f"it is in {self.file}"
                        )
            if offered in accepted:
                again.append(host)
        return again

    def _agreed(self, offered: OfferedKey) -> bool:
        if offered.fingerprint in self.keys.accepted:
            return True
        return self.keys.ask is not None and self.keys.ask(offered)

    def require_used(
        self, shown: Mapping[str, str], errors: Mapping[str, HostError], *, tolerant: bool
    ) -> None:
        """Raise UsageError for a fingerprint that no host has shown.

        shown: fingerprints by host, of all that have been connected. errors: what keeps hosts away.
        tolerant: hosts that have shown no key at all are no reason to give another error first.
        """
        offered = {each.host: each.fingerprint for each in self._decided} | dict(shown)
        unused = sorted(self.keys.accepted - set(offered.values()))
        silent = [
            error.message
            for host, error in errors.items()
            if host not in shown and not (isinstance(error, HostKeyRefused) and error.offered)
        ]
        if not unused or (silent and not tolerant):
            return
        told = ", ".join(f"{host} {fingerprint}" for host, fingerprint in offered.items())
        what = f"--accept-host-key: no host has the key {' or '.join(unused)}"
        raise UsageError(
            "\n".join([f"{what}; shown were: {told or 'none'}", *silent]),
            remedy="compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host's "
            "own console",
        )
