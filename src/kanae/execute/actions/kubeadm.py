"""kubeadm init, join and the phases by which a living cluster is changed."""

from __future__ import annotations

import secrets
import string
from typing import cast

from kanae.errors import StepFailed, step_failed
from kanae.execute.actions import guarded
from kanae.execute.actions.authorities import authority_hash, authority_public
from kanae.execute.actions.membership import leave
from kanae.execute.actions.nodes import delete_node
from kanae.execute.context import StepContext
from kanae.execute.events import Outcome
from kanae.execute.scripts import clear, kubeadm, kubectl
from kanae.execute.scripts.guarded import ALREADY
from kanae.layout import marks
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
from kanae.render.documents import Document, to_yaml
from kanae.render.kubeadm import PLACEHOLDERS
from kanae.render.yaml import read_documents
from kanae.transport.protocol import must

TOKEN = "bootstrap-token"  # noqa: S105  # the name of a value
TOKEN_TTL = "30m0s"  # noqa: S105  # a duration: longer than the slowest run of joins
# The group that kubeadm lets bootstrap a node.
JOINERS = "system:bootstrappers:kubeadm:default-node-token"
_LETTERS = string.ascii_lowercase + string.digits
_SPEC = "put right in the spec what kubeadm names, then apply again; nothing was changed"
# Words of kubeadm's output -> what to do. The first that fits: those that say most come first.
REMEDIES = {
    kubeadm.REFUSES: _SPEC,
    "[preflight] Some fatal errors": "put right what kubeadm's checks name above, then apply again",
    "etcdserver: unhealthy cluster": "etcd takes no member while one that it counts on does not "
    "answer: bring its host back, or remove it from etcd, then apply again",
    "proxyconnect": "it asked a proxy: `kanae check` tells where the host has one set",
    "none of the public keys": "the endpoint answers with another cluster's certificate: see who "
    "has its address, and where its balancer leads, then apply again",
    "certificate signed by unknown authority": "the endpoint answers with another cluster's "
    "certificate: see who has its address, and where its balancer leads, then apply again",
    "connection refused": "nothing listens at the address and port that it names: see whether "
    "the balancer (or, without one, the first control-plane host) runs and has that address",
    "no route to host": "there is no way from this host to the address that it names: see the "
    "routes and firewalls between them",
    "no such host": "this host cannot resolve the name of the endpoint: see its /etc/resolv.conf",
    "couldn't validate the identity of the API Server": "the endpoint did not answer this host in "
    "time: see the firewalls between them (kanae check tries every port), then apply again",
    "i/o timeout": "no answer came in time: see the firewalls on the way (kanae check tries every "
    "port), then apply again",
    "context deadline exceeded": "see `journalctl -u kubelet -u containerd` on the host",
}


def new_token() -> str:
    """A bootstrap token: six and sixteen characters, from the system's random source."""

    def letters(count: int) -> str:
        return "".join(secrets.choice(_LETTERS) for _ in range(count))

    return f"{letters(6)}.{letters(16)}"


def with_token(config: str, token: str) -> str:
    """The same documents with this bootstrap token in InitConfiguration."""
    documents = cast("list[Document]", read_documents(config))
    for document in documents:
        if document.get("kind") == "InitConfiguration":
            document["bootstrapTokens"] = [
                {
                    "token": PLACEHOLDERS.token,
                    "ttl": TOKEN_TTL,
                    "usages": ["signing", "authentication"],
                    "groups": [JOINERS],
                }
            ]
    # Put into the finished text: what to_yaml is given stays in its cache.
    return to_yaml(documents).replace(PLACEHOLDERS.token, token)


def token_secret(token: str, cluster: str) -> str:
    """The Secret by which the cluster knows a bootstrap token, as YAML. @EXPIRATION@ is filled in
    on the host."""
    id_, _, secret = token.partition(".")
    text = to_yaml(
        [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": f"bootstrap-token-{id_}", "namespace": "kube-system"},
                "type": "bootstrap.kubernetes.io/token",
                "stringData": {
                    "token-id": id_,
                    "token-secret": PLACEHOLDERS.token,
                    "usage-bootstrap-authentication": "true",
                    "usage-bootstrap-signing": "true",
                    "auth-extra-groups": JOINERS,
                    "description": f"kanae, run of {cluster}",
                    "expiration": "@EXPIRATION@",
                },
            }
        ]
    )
    return text.replace(PLACEHOLDERS.token, secret)


async def init(ctx: StepContext) -> Outcome:
    action = ctx.action(KubeadmInit)
    token = ctx.values.put(TOKEN, new_token())
    done = await ctx.transport().run(
        kubeadm.init(action, ctx.left_on_host()),
        stdin=with_token(action.config, token).encode(),
        timeout=ctx.left(),
    )
    guarded.raised(ctx.transport(), done, "kubeadm init", REMEDIES, kubeadm.INIT)
    if ALREADY in done.stdout.decode(errors="replace"):
        # An init of an earlier run ended only now: the cluster does not know this run's token.
        await _mint(ctx, action.cluster)
    return Outcome.CHANGED


async def joined(ctx: StepContext) -> bool | None:
    """Whether an init or join whose connection was lost took effect."""
    return await guarded.took_effect(ctx.transport(), marks.JOINED, ctx.left_on_host())


async def mint_token(ctx: StepContext) -> Outcome:
    await _mint(ctx, ctx.action(MintToken).cluster)
    return Outcome.CHANGED


async def _mint(ctx: StepContext, cluster: str) -> None:
    """A token is a Secret in kube-system; its value goes by stdin, never by argv."""
    token = ctx.values.put(TOKEN, new_token())
    await must(
        ctx.transport(),
        kubectl.create_token(),
        command="kubectl create secret (bootstrap token)",
        stdin=token_secret(token, cluster).encode(),
        timeout=ctx.left(),
    )


async def join(ctx: StepContext) -> Outcome:
    action = ctx.action(KubeadmJoin)
    pin = authority_hash(await authority_public(ctx, action.source))
    config = action.config.replace(PLACEHOLDERS.token, ctx.values.get(TOKEN)).replace(
        PLACEHOLDERS.ca_cert_hashes[0], pin
    )
    done = await ctx.transport().run(
        kubeadm.join(action, ctx.left_on_host()), stdin=config.encode(), timeout=ctx.left()
    )
    guarded.raised(ctx.transport(), done, "kubeadm join", REMEDIES, kubeadm.JOIN)
    return Outcome.CHANGED


async def clear_node(ctx: StepContext) -> Outcome:
    """Nothing when the join of an earlier run ended well after all. A stacked etcd member is
    removed before it is stopped, or two members would be left with one and no quorum.
    Certificates stay: the authorities belong to the cluster, and etcd may run on this host.
    """
    action = ctx.action(ClearNode)
    if await guarded.took_effect(ctx.transport(), marks.JOINED, ctx.left() / 2):
        return Outcome.OK
    via = ctx.transport(action.via)
    if action.etcd_member:
        await leave(via, action.etcd_member, ctx.left() / 2)
    await delete_node(via, action.node, ctx.left())
    await must(
        ctx.transport(),
        clear.host(action, ctx.left_on_host()),
        command="kubeadm reset",
        timeout=ctx.left(),
    )
    return Outcome.CHANGED


async def _phase(
    ctx: StepContext, script: str, config: str, *, command: str, remedy: str = ""
) -> None:
    """remedy: of the phase itself, when kubeadm has not refused its configuration before."""
    try:
        await must(
            ctx.transport(),
            script,
            command=command,
            stdin=config.encode(),
            timeout=ctx.left(),
            remedy=remedy,
        )
    except StepFailed as error:
        if error.status != kubeadm.REFUSED:
            raise
        raise step_failed(
            error.host, "kubeadm config validate", error.status, error.stderr, remedy=_SPEC
        ) from error


async def reconfigure_control_plane(ctx: StepContext) -> Outcome:
    action = ctx.action(ReconfigureControlPlane)
    await _phase(
        ctx,
        kubeadm.reconfigure_control_plane(action, ctx.left_on_host()),
        action.config,
        command="kubeadm init phase control-plane all",
        remedy="the new API server does not become ready: `crictl logs` of kube-apiserver on the "
        "host says why; put the setting right in the spec and apply again",
    )
    return Outcome.CHANGED


async def upload_config(ctx: StepContext) -> Outcome:
    await _phase(
        ctx,
        kubeadm.upload_config(ctx.left_on_host()),
        ctx.action(UploadConfig).config,
        command="kubeadm init phase upload-config all",
    )
    return Outcome.CHANGED


async def reconfigure_kubelet(ctx: StepContext) -> Outcome:
    await must(
        ctx.transport(),
        kubeadm.reconfigure_kubelet(ctx.action(ReconfigureKubelet), ctx.left_on_host()),
        command="kubeadm upgrade node phase kubelet-config",
        timeout=ctx.left(),
        remedy="`journalctl -u kubelet` on the host says which setting it refuses",
    )
    return Outcome.CHANGED


async def addon(ctx: StepContext) -> Outcome:
    action = ctx.action(Addon)
    await _phase(
        ctx,
        kubeadm.addon(action, ctx.left_on_host()),
        action.config,
        command=f"kubeadm init phase addon {action.name}",
    )
    return Outcome.CHANGED
