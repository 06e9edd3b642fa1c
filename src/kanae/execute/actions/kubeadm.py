"""kubeadm init, join and the phases by which a living cluster is changed."""

from __future__ import annotations

import secrets
import string
from io import StringIO
from typing import cast

from ruamel.yaml import YAML

from kanae.execute.actions import guarded
from kanae.execute.actions.authorities import authority_hash, authority_public
from kanae.execute.actions.commands import ETCDCTL, KUBECTL
from kanae.execute.context import StepContext
from kanae.execute.events import Outcome
from kanae.layout import marks, units
from kanae.layout import paths as at
from kanae.plan.actions import (
    Addon,
    ClearNode,
    KubeadmInit,
    KubeadmJoin,
    MintToken,
    ReconfigureControlPlane,
    ReconfigureKubelet,
    UploadConfig,
)
from kanae.render.kubeadm import PLACEHOLDERS
from kanae.resources.model import quote
from kanae.transport.protocol import must

TOKEN = "bootstrap-token"  # noqa: S105  # the name of a value
TOKEN_TTL = "30m0s"  # noqa: S105  # a duration: longer than the slowest run of joins
_LETTERS = string.ascii_lowercase + string.digits
REMEDIES = {
    "[preflight] Some fatal errors": "put right what kubeadm's checks name above, then apply again",
    "couldn't validate the identity of the API Server": "the endpoint answers with another "
    "cluster's certificate: look at the balancer's configuration, then apply again",
    "context deadline exceeded": "see `journalctl -u kubelet -u containerd` on the host",
}


def _record_kubelet(fingerprint: str) -> str:
    mark = marks.path(marks.KUBELET)
    return (
        f"{{ echo {fingerprint}; sha256sum {at.KUBELET_CONFIG}; }} >{mark}.new"
        f" && mv -f {mark}.new {mark}"
    )


def _record_manifests() -> str:
    mark = marks.path(marks.MANIFESTS)
    return f"sha256sum {at.MANIFESTS}/*.yaml >{mark}.new && mv -f {mark}.new {mark}"


def new_token() -> str:
    """A bootstrap token: six and sixteen characters, from the system's random source."""

    def letters(count: int) -> str:
        return "".join(secrets.choice(_LETTERS) for _ in range(count))

    return f"{letters(6)}.{letters(16)}"


def with_token(config: str, token: str) -> str:
    """The same documents with this bootstrap token in InitConfiguration."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    documents = cast("list[dict[str, object]]", list(yaml.load_all(config)))  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]  # untyped in ruamel.yaml
    for document in documents:
        if document.get("kind") == "InitConfiguration":
            document["bootstrapTokens"] = [
                {
                    "token": token,
                    "ttl": TOKEN_TTL,
                    "usages": ["signing", "authentication"],
                    "groups": ["system:bootstrappers:kubeadm:default-node-token"],
                }
            ]
    stream = StringIO()
    yaml.dump_all(documents, stream)  # pyright: ignore[reportUnknownMemberType]  # untyped in ruamel.yaml
    return stream.getvalue()


async def init(ctx: StepContext) -> Outcome:
    action = ctx.action(KubeadmInit)
    token = ctx.values.put(TOKEN, new_token())
    names = quote(",".join(action.ignored))
    ignored = f" --ignore-preflight-errors={names}" if action.ignored else ""
    limit = ctx.left() - 15
    text = guarded.script(
        "kubeadm-init",
        'kubeadm init --config "$config" --skip-token-print'
        f" --skip-phases=show-join-command{ignored}",
        mark=marks.JOINED,
        before=f"touch {marks.path(marks.INIT_STARTED)}",
        after="\n".join(
            [
                _record_manifests(),
                _record_kubelet(action.kubelet_fingerprint),
                f'echo {action.fingerprint} >"$mark.new"',
            ]
        ),
        limit=limit,
    )
    done = await ctx.transport().run(
        text, stdin=with_token(action.config, token).encode(), timeout=ctx.left()
    )
    guarded.raised(ctx.transport(), done, "kubeadm init", REMEDIES, "kubeadm-init")
    if guarded.ALREADY in done.stdout.decode(errors="replace"):
        # An init of an earlier run ended only now: the cluster does not know this run's token.
        await _mint(ctx, action.cluster)
    return Outcome.CHANGED


async def joined(ctx: StepContext) -> bool | None:
    """Whether an init or join whose connection was lost took effect."""
    return await guarded.took_effect(ctx.transport(), marks.JOINED, max(5.0, ctx.left() - 30))


async def mint_token(ctx: StepContext) -> Outcome:
    await _mint(ctx, ctx.action(MintToken).cluster)
    return Outcome.CHANGED


async def _mint(ctx: StepContext, cluster: str) -> None:
    """A token is a Secret in kube-system; its value goes by a file of mode 0600, never by argv."""
    token = ctx.values.put(TOKEN, new_token())
    document = (
        f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: bootstrap-token-{token[:6]}\n"
        "  namespace: kube-system\ntype: bootstrap.kubernetes.io/token\nstringData:\n"
        f"  token-id: {token[:6]}\n  token-secret: {token[7:]}\n"
        "  usage-bootstrap-authentication: 'true'\n  usage-bootstrap-signing: 'true'\n"
        "  auth-extra-groups: system:bootstrappers:kubeadm:default-node-token\n"
        f"  description: kanae, run of {cluster}\n"
        '  expiration: "@EXPIRATION@"\n'
    )
    # The expiry is by the host's clock, which may differ from the operator's.
    await must(
        ctx.transport(),
        "when=$(date -u -d '+30 minutes' +%Y-%m-%dT%H:%M:%SZ)\n"
        f'sed "s/@EXPIRATION@/$when/" | {KUBECTL} create -f - >/dev/null',
        command="kubectl create secret (bootstrap token)",
        stdin=document.encode(),
        timeout=ctx.left(),
    )


async def join(ctx: StepContext) -> Outcome:
    action = ctx.action(KubeadmJoin)
    pin = authority_hash(await authority_public(ctx, action.source))
    config = action.config.replace(PLACEHOLDERS.token, ctx.values.get(TOKEN)).replace(
        PLACEHOLDERS.ca_cert_hashes[0], pin
    )
    after = [_record_kubelet(action.kubelet_fingerprint), f'echo {action.fingerprint} >"$mark.new"']
    if action.control_plane:
        after.insert(0, _record_manifests())
    text = guarded.script(
        "kubeadm-join",
        'kubeadm join --config "$config"',
        mark=marks.JOINED,
        after="\n".join(after),
        limit=ctx.left() - 15,
    )
    done = await ctx.transport().run(text, stdin=config.encode(), timeout=ctx.left())
    guarded.raised(ctx.transport(), done, "kubeadm join", REMEDIES, "kubeadm-join")
    return Outcome.CHANGED


async def clear(ctx: StepContext) -> Outcome:
    """Nothing when the join of an earlier run ended well after all. A stacked etcd member is
    removed before it is stopped, or two members would be left with one and no quorum.
    Certificates stay: the authorities belong to the cluster, and etcd may run on this host.
    """
    action = ctx.action(ClearNode)
    if await guarded.took_effect(ctx.transport(), marks.JOINED, ctx.left() / 2):
        return Outcome.OK
    via = ctx.transport(action.via)
    wipe = ""
    if action.etcd_member:
        etcdctl = f"{ETCDCTL} --endpoints https://127.0.0.1:2379"
        await must(
            via,
            f"id=$({etcdctl} member list | grep -F {action.etcd_member} | cut -d, -f1)\n"
            f'[ -z "$id" ] || {etcdctl} member remove "$id"',
            command=f"etcdctl member remove ({action.etcd_member})",
            timeout=ctx.left(),
        )
        wipe = f"rm -rf {action.data_dir}/member"
    await must(
        via,
        f"{KUBECTL} delete node {action.node} --ignore-not-found --timeout=30s",
        command=f"kubectl delete node {action.node}",
        timeout=ctx.left(),
    )
    await must(
        ctx.transport(),
        f"""exec 9>{at.KUBEADM_LOCK}; flock -w 60 9 || exit {guarded.BUSY}
systemctl stop kubelet
kubeadm reset -f --skip-phases=preflight,remove-etcd-member --cert-dir {at.RUN}/no-certificates \
--cri-socket {at.CRI_SOCKET} >/dev/null 2>&1 9>&- || true
rm -rf {at.MANIFESTS} {at.KUBERNETES}/*.conf
rm -f {" ".join(map(marks.path, (marks.JOINED, marks.MANIFESTS, marks.KUBELET)))}
{wipe}""",
        command="kubeadm reset",
        timeout=ctx.left(),
    )
    return Outcome.CHANGED


def _with_config(lines: str) -> str:
    """Lines in which "$config" is a file that holds what came by stdin."""
    return (
        f"set -eu; umask 077; mkdir -p {at.RUN}; config={at.RUN}/kubeadm-phase.yaml\n"
        f'cat >"$config"; trap \'rm -f "$config"\' EXIT\n'
        f"exec 9>{at.KUBEADM_LOCK}; flock -w 120 9\n{lines}\n"
    )


async def reconfigure_control_plane(ctx: StepContext) -> Outcome:
    """Write the manifests; when the API server's changed, wait until the new one has taken over."""
    action = ctx.action(ReconfigureControlPlane)
    ids = "crictl ps -q --state running --name '^kube-apiserver$' 2>/dev/null | head -n 1"
    server = f"https://{action.address}:{action.port}"
    await must(
        ctx.transport(),
        _with_config(
            f"""manifest={at.MANIFESTS}/kube-apiserver.yaml
before=$(cat "$manifest" 2>/dev/null | sha256sum); old=$({ids})
kubeadm init phase certs apiserver --config "$config" >/dev/null 2>&1 || {{
  rm -f {at.PKI}/apiserver.crt {at.PKI}/apiserver.key
  kubeadm init phase certs apiserver --config "$config" >/dev/null; }}
kubeadm init phase control-plane all --config "$config" >/dev/null
if [ "$before" != "$(sha256sum <"$manifest")" ]; then
  for turn in $(seq 600); do
    new=$({ids})
    if [ -n "$new" ] && [ "$new" != "$old" ] &&
      {KUBECTL} --server {server} --request-timeout=2s get --raw /readyz >/dev/null 2>&1
    then break; fi
    [ "$turn" -lt 600 ] || {{ crictl ps -a --name kube-apiserver >&2; exit 1; }}
    sleep 0.3
  done
fi
{_record_manifests()}
echo {action.fingerprint} >{marks.path(marks.JOINED)}"""
        ),
        command="kubeadm init phase control-plane all",
        stdin=action.config.encode(),
        timeout=ctx.left(),
        remedy="the new API server does not become ready: `crictl logs` of kube-apiserver on the "
        "host says why; put the setting right in the spec and apply again",
    )
    return Outcome.CHANGED


async def upload_config(ctx: StepContext) -> Outcome:
    await must(
        ctx.transport(),
        _with_config('kubeadm init phase upload-config all --config "$config" >/dev/null'),
        command="kubeadm init phase upload-config all",
        stdin=ctx.action(UploadConfig).config.encode(),
        timeout=ctx.left(),
    )
    return Outcome.CHANGED


async def reconfigure_kubelet(ctx: StepContext) -> Outcome:
    action = ctx.action(ReconfigureKubelet)
    await must(
        ctx.transport(),
        f"""set -e; exec 9>{at.KUBEADM_LOCK}; flock -w 120 9
kubeadm upgrade node phase kubelet-config --patches {at.PATCHES} \
--kubeconfig {at.KUBERNETES}/kubelet.conf >/dev/null
systemctl restart {units.KUBELET} 9>&-
{_record_kubelet(action.fingerprint)}""",
        command="kubeadm upgrade node phase kubelet-config",
        timeout=ctx.left(),
        remedy="`journalctl -u kubelet` on the host says which setting it refuses",
    )
    return Outcome.CHANGED


async def addon(ctx: StepContext) -> Outcome:
    action = ctx.action(Addon)
    lines = f'kubeadm init phase addon {action.name} --config "$config" >/dev/null'
    if action.restart:
        lines += f"\n{KUBECTL} -n kube-system rollout restart daemonset/{action.name} >/dev/null"
    await must(
        ctx.transport(),
        _with_config(lines),
        command=f"kubeadm init phase addon {action.name}",
        stdin=action.config.encode(),
        timeout=ctx.left(),
    )
    return Outcome.CHANGED
