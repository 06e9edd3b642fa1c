"""Objects, nodes and readiness, asked and changed by kubectl on a control-plane host."""

from __future__ import annotations

import json

from kanae.execute.scripts.programs import DIRECT, KUBECTL
from kanae.facts.api import FIELD_MANAGER
from kanae.layout import paths as at
from kanae.layout import units
from kanae.plan.actions import AwaitApi, AwaitGuard, AwaitKubelet, DeleteObjects, LeadTo, SetNode
from kanae.plan.nodes import OWNED
from kanae.render import in_cluster
from kanae.resources.model import quote


def apply() -> str:
    """Server-side apply of the objects that come by stdin."""
    manager = f"--field-manager={FIELD_MANAGER}"
    return f"{KUBECTL} apply --server-side {manager} --force-conflicts -f - >/dev/null"


def set_node(action: SetNode) -> str:
    patch: dict[str, object] = {
        "metadata": {
            "labels": {**dict.fromkeys(action.unlabel), **dict(action.labels)},
            "annotations": {OWNED: ",".join(key for key, _ in action.labels) or None},
        }
    }
    if action.taints:
        patch["spec"] = {"taints": json.loads(action.taints)}
    return (
        f"{KUBECTL} patch node {quote(action.node)} --type=merge -p {quote(json.dumps(patch))}"
        " >/dev/null"
    )


def create_token() -> str:
    """Create the Secret of a bootstrap token that comes by stdin, with @EXPIRATION@ in it.

    The expiry is by the host's clock, which may differ from the operator's.
    """
    return (
        "when=$(date -u -d '+30 minutes' +%Y-%m-%dT%H:%M:%SZ)\n"
        f'sed "s/@EXPIRATION@/$when/" | {KUBECTL} create -f - >/dev/null'
    )


def ready(action: AwaitApi) -> str:
    server = f"https://{action.address}:{action.port}"
    name = f" --tls-server-name {quote(action.name)}" if action.name else ""
    return f"{KUBECTL} --server {server}{name} --request-timeout=3s get --raw /readyz 2>&1"


def delete(action: DeleteObjects) -> str:
    names = quote(*(f"{key.resource}/{key.name}" for key in action.keys))
    return f"{KUBECTL} delete --ignore-not-found {names} >/dev/null"


def guarded(action: AwaitGuard) -> str:
    """Whether all API servers refuse what one of them would write, which is asked in its name and
    stored by none."""
    metadata = {"name": in_cluster.SERVICE, "namespace": in_cluster.NAMESPACE}
    document = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
    tried = quote(json.dumps(document))
    return f"""for server in {quote(*action.servers)}; do
  said=$(printf '%s' {tried} | {KUBECTL} --server "$server" --request-timeout=3s \
--as {in_cluster.API_SERVER_USER} --as-group system:masters apply --server-side \
--field-manager={FIELD_MANAGER} --force-conflicts --dry-run=server -f - 2>&1)
  case $said in *"'{in_cluster.GUARD}'"*) ;; *) printf '%s: %s' "$server" "$said"; exit 1 ;; esac
done"""


def answers(action: LeadTo) -> str:
    """Whether the server does, to who is in the first of the kubeconfigs."""
    return (
        f"{DIRECT} {at.BIN}/kubectl --kubeconfig {quote(action.paths[0])}"
        f" --cache-dir {at.KUBECTL_CACHE} --server {quote(action.server)}"
        " --request-timeout=3s get --raw /readyz 2>&1"
    )


def lead_to(action: LeadTo) -> str:
    """Each file as a whole, with its mode and owner, and in it the server that facts tell of: the
    first. kubelet is away meanwhile: one that a cut-off run has left stopped is seen, and one that
    has not read its file again would not be.
    """
    edit = quote(rf"0,/^ *server: /s|^\( *server: \).*|\1{action.server}|")
    stop, start = (f"systemctl {verb} {units.KUBELET}\n" for verb in ("stop", "start"))
    if not action.kubelet:
        stop = start = ""
    return (
        f"set -e; umask 077; {stop}for path in {quote(*action.paths)}; do\n"
        '  cp -p -- "$path" "$path.kanae"\n'
        f'  sed {edit} "$path" >"$path.kanae"\n'
        '  sync -- "$path.kanae"\n'
        '  mv -f -- "$path.kanae" "$path"\n'
        f"done\n{start}"
    )


def kubelet_healthy(action: AwaitKubelet) -> str:
    """Its health check is plain HTTP on loopback and wants no credentials."""
    if not action.port:
        return f"systemctl is-active {units.KUBELET} 2>&1"
    return (
        f"{at.BIN}/kubectl --server http://127.0.0.1:{action.port} --request-timeout=3s"
        " get --raw /healthz 2>&1"
    )


def nodes() -> str:
    """All Node objects, as JSON."""
    return f"{KUBECTL} --request-timeout=5s get nodes -o json"


def dns() -> str:
    """CoreDNS's Deployment as JSON, nothing when there is none."""
    return (
        f"{KUBECTL} -n kube-system get deployment coredns -o json --ignore-not-found"
        " --request-timeout=5s"
    )


def rolled_out(name: str, limit: float) -> str:
    """Wait until all pods of a workload of kube-system are of its present template and serve."""
    of, wait = f"-n kube-system {quote(name)}", max(1, int(limit))
    return (
        f"there=$({KUBECTL} get {of} -o name --ignore-not-found) || exit\n"
        f'[ -z "$there" ] || {KUBECTL} rollout status {of} --timeout={wait}s >/dev/null'
    )
