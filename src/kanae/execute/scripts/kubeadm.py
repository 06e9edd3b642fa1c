"""kubeadm init, join, and the phases by which a living cluster is changed.

All but `reconfigure_kubelet` read kubeadm's configuration from stdin.
"""

from __future__ import annotations

from collections.abc import Sequence

from kanae.execute.scripts import guarded
from kanae.execute.scripts.programs import KUBECTL
from kanae.layout import marks, proxies, units
from kanae.layout import paths as at
from kanae.plan.actions import (
    Addon,
    KubeadmInit,
    KubeadmJoin,
    ReconfigureControlPlane,
    ReconfigureKubelet,
)
from kanae.resources.model import quote

# Names of the guarded programs: of their configuration below /run/kanae, and of their log.
INIT = "kubeadm-init"
JOIN = "kubeadm-join"
# Exit status of a script that changed nothing since kubeadm refuses its configuration (sysexits.h's
# EX_DATAERR), and what it says before kubeadm's own words.
REFUSED = 65
REFUSES = "kubeadm config validate refuses the configuration"


def init(action: KubeadmInit, limit: float) -> str:
    """limit: seconds, for its turn and for kubeadm together."""
    return guarded.run(
        INIT,
        'kubeadm init --config "$config" --skip-token-print'
        f" --skip-phases=show-join-command{_ignored(action.ignored)}",
        mark=marks.JOINED,
        before=f"{_validated()}\ntouch {marks.path(marks.INIT_STARTED)}",
        after="\n".join(
            [
                record_manifests(),
                _record_kubelet(action.kubelet_fingerprint),
                f'echo {action.fingerprint} >"$mark.new"',
            ]
        ),
        limit=limit,
    )


def join(action: KubeadmJoin, limit: float) -> str:
    """limit: seconds, for its turn and for kubeadm together."""
    after = [_record_kubelet(action.kubelet_fingerprint), f'echo {action.fingerprint} >"$mark.new"']
    if action.control_plane:
        after.insert(0, record_manifests())
    return guarded.run(
        JOIN,
        f'kubeadm join --config "$config"{_ignored(action.ignored)}',
        mark=marks.JOINED,
        after="\n".join(after),
        limit=limit,
    )


def reconfigure_control_plane(action: ReconfigureControlPlane, limit: float) -> str:
    """Write the certificate and the manifests; when the API server's manifest changed, wait until
    the new one has taken over. The certificate is made anew, beside the one in use, since kubeadm
    keeps one that is there whatever names it has (cmd/kubeadm/app/phases/certs); the API server
    reads it again by itself. The host's fingerprint goes first: no record tells the names of a
    certificate, so a spec that is put back after a cut-off run would look as if it were in force.

    limit: seconds for all of it, after which the script says that it has waited in vain.
    """
    ids = "crictl ps -q --state running --name '^kube-apiserver$' 2>/dev/null | head -n 1"
    server = f"https://{action.address}:{action.port}"
    return _with_config(
        f"""manifest={at.MANIFESTS}/kube-apiserver.yaml
before=$(cat "$manifest" 2>/dev/null | sha256sum); old=$({ids})
echo changing >{marks.path(marks.JOINED)}
{serving_certificate()}
kubeadm init phase control-plane all --config "$config" >/dev/null
if [ "$before" != "$(sha256sum <"$manifest")" ]; then
  while
    new=$({ids})
    [ -z "$new" ] || [ "$new" = "$old" ] ||
      ! {KUBECTL} --server {server} --request-timeout=2s get --raw /readyz >/dev/null 2>&1
  do
    [ "$({guarded.LEFT})" -gt 0 ] || {{
      crictl ps -a --name kube-apiserver >&2
      echo "the new API server is not ready" >&2
      exit 1; }}
    sleep 0.3
  done
fi
{record_manifests()}
rm -f {marks.path(marks.UPGRADING)}
echo {action.fingerprint} >{marks.path(marks.JOINED)}""",
        limit,
    )


def upload_config(limit: float) -> str:
    """limit: seconds for its turn."""
    return _with_config('kubeadm init phase upload-config all --config "$config" >/dev/null', limit)


def addon(action: Addon, limit: float) -> str:
    """limit: seconds for its turn."""
    lines = f'kubeadm init phase addon {action.name} --config "$config" >/dev/null'
    if action.restart:
        due = marks.path(marks.RESTART + action.name)
        lines = (
            f"echo >{due}\n{lines}\n"
            f"{KUBECTL} -n kube-system rollout restart daemonset/{action.name} >/dev/null\n"
            f"rm -f {due}"
        )
    return _with_config(lines, limit)


def reconfigure_kubelet(action: ReconfigureKubelet, limit: float) -> str:
    """limit: seconds for its turn."""
    return f"""{proxies.UNSET}
set -e; {guarded.locked(limit)}
kubeadm upgrade node phase kubelet-config --patches {at.PATCHES} \
--kubeconfig {at.KUBELET_CONF} >/dev/null
systemctl restart {units.KUBELET} 9>&-
{_record_kubelet(action.fingerprint)}"""


def _ignored(checks: Sequence[str]) -> str:
    return f" --ignore-preflight-errors={quote(','.join(checks))}" if checks else ""


def _with_config(lines: str, limit: float) -> str:
    """Lines in which "$config" is a file that holds what came by stdin, and which may ask how much
    of their time is left. The file is written when it is their turn: another that waits has the
    same one. limit: seconds.
    """
    return (
        f"{proxies.UNSET}\n"
        f"set -eu; umask 077; mkdir -p {at.RUN}; config={at.RUN}/kubeadm-phase.yaml\n"
        f"{guarded.deadline(limit)}\n{guarded.locked(limit)}\n"
        f'cat >"$config"; trap \'rm -f "$config"\' EXIT\n'
        f"{_validated()}\n{lines}\n"
    )


def _validated() -> str:
    """Lines that end the script before it changes anything. `kubeadm init` and its phases only warn
    of fields that they do not know; this judges strictly, and asks nobody (newCmdConfigValidate in
    cmd/kubeadm/app/cmd/config.go; 0.1 to 0.3 s).
    """
    return f"""said=$(kubeadm config validate --config "$config" 2>&1) || {{
  rm -f "$config"
  printf '%s\\n' "{REFUSES}:" "$said" >&2
  exit {REFUSED}; }}"""


def _record_kubelet(fingerprint: str) -> str:
    """Lines to be run with `set -e`, under which a list with && would not end the script."""
    mark = marks.path(marks.KUBELET)
    return (
        f"{{ echo {fingerprint}; sha256sum {at.KUBELET_CONFIG};"
        f" [ ! -e {at.KUBELET_FLAGS} ] || sha256sum {at.KUBELET_FLAGS}; }} >{mark}.new\n"
        f"mv -f {mark}.new {mark}"
    )


def record_manifests() -> str:
    mark = marks.path(marks.MANIFESTS)
    return f"sha256sum {at.MANIFESTS}/*.yaml >{mark}.new\nmv -f {mark}.new {mark}"


def serving_certificate() -> str:
    """Lines that make the API server's certificate anew, beside the one in use, since kubeadm keeps
    one that is there whatever names it has (cmd/kubeadm/app/phases/certs). The API server reads it
    again by itself. "$config" is a file with kubeadm's documents for this host.
    """
    return f"""made={at.PKI}/apiserver.new; rm -rf "$made"; mkdir "$made"
ln -s {at.PKI}/ca.crt {at.PKI}/ca.key "$made"
sed "s|^kind: ClusterConfiguration$|&\\ncertificatesDir: $made|" "$config" >"$made/config"
kubeadm init phase certs apiserver --config "$made/config" >/dev/null
sync -- "$made/apiserver.key" "$made/apiserver.crt"
mv -f "$made/apiserver.key" "$made/apiserver.crt" {at.PKI}
rm -rf "$made\""""
