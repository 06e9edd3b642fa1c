"""What reads its certificate only at its start takes the one that was issued."""

from __future__ import annotations

from typing import Final

from kanae.execute.scripts import guarded
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan.actions import RestartComponents
from kanae.resources.model import quote

# Seconds that a container gets to end.
_GRACE: Final = 10


def restart(action: RestartComponents, limit: float) -> str:
    """May be run again after it was cut off. limit: seconds for all of it."""
    lines = ["set -eu; umask 077", guarded.deadline(limit), guarded.locked(limit)]
    if action.renewed:
        lines.append(_renewed())
    if action.kubelet:
        lines += [
            f"systemctl restart {units.KUBELET} 9>&-",
            f"rm -f {marks.path(marks.RESTART + units.KUBELET)}",
        ]
    if action.pods:
        lines.append(_pods(action))
    return "\n".join(lines)


def _renewed() -> str:
    """kubelet keeps a link to the file that it uses, and will not go on with a file in its place
    (util/certificate/certificate_store.go of client-go). A kubeconfig with its first certificate in
    it, which has ended as well, would make it ask for a bootstrap token that there is not: it names
    the link from now on, as kubeadm has it (phases/kubeletfinalize).
    """
    conf, link = at.KUBELET_CONF, at.KUBELET_CLIENT
    to_link = (
        f"s|^\\( *\\)client-certificate-data: .*|\\1client-certificate: {link}|; "
        f"s|^\\( *\\)client-key-data: .*|\\1client-key: {link}|"
    )
    return f"""if [ -e {at.KUBELET_ISSUED} ]; then
  ln -sfn {at.KUBELET_ISSUED} {link}.kanae
  mv -fT {link}.kanae {link}
fi
if grep -q 'client-certificate-data: ' {conf}; then
  cp -p {conf} {conf}.kanae
  sed '{to_link}' {conf} >{conf}.kanae
  sync -- {conf}.kanae
  mv -fT {conf}.kanae {conf}
fi"""


def _pods(action: RestartComponents) -> str:
    """kubelet makes a new container for one that has ended; the mark goes when it has. One that has
    just failed is as good as ended: it begins anew when kubelet comes to it.
    """
    return f"""newest() {{ crictl ps -a -q --name "^$1$" | head -n 1; }}
for name in {quote(*action.pods)}; do
  old=$(newest "$name")
  running=$(crictl ps -q --state running --name "^$name$")
  [ -z "$running" ] || crictl stop --timeout {_GRACE} $running >/dev/null
  while new=$(newest "$name"); [ -z "$new" ] || [ "$new" = "$old" ]; do
    [ "$({guarded.LEFT})" -gt 0 ] || {{ echo "$name does not start again" >&2; exit 1; }}
    sleep 0.3
  done
  rm -f "{marks.path(marks.RESTART)}$name"
done"""
