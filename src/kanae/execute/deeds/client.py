"""kubectl's configuration on client hosts."""

from __future__ import annotations

import hashlib

from kanae.execute import kubeconfig
from kanae.execute.context import StepContext
from kanae.execute.deeds.authorities import authority_public
from kanae.execute.events import Outcome
from kanae.plan.client import KUBECONFIG
from kanae.plan.deeds import WriteKubeconfig
from kanae.render import paths as at
from kanae.render.kubeadm import endpoint
from kanae.resources.model import quote
from kanae.resources.unit import MARKS
from kanae.transport.protocol import Transport, Upload, must


async def admin_conf(transport: Transport) -> str:
    """The administrator's credentials: a secret."""
    command = f"cat {at.ADMIN_CONF}"
    return (await must(transport, command, command=command)).decode()


async def write(ctx: StepContext) -> Outcome:
    deed = ctx.deed(WriteKubeconfig)
    transport = ctx.transport()
    admin = ctx.values.put("admin.conf", await admin_conf(ctx.transport(deed.source)))
    there = await transport.run(f"[ ! -e {quote(deed.path)} ] || cat {quote(deed.path)}")
    existing = there.stdout.decode(errors="replace")
    document = kubeconfig.merged(existing, kubeconfig.named(admin, deed.cluster))
    authority = await authority_public(ctx, deed.source)
    digest = hashlib.sha256(authority.encode()).hexdigest()
    mark = f"{endpoint(ctx.spec)} {digest}"
    user = ctx.spec.ssh_of(transport.host).user or "root"
    await transport.upload(
        [
            Upload(deed.path, kubeconfig.to_text(document).encode(), 0o600, f"{user}:{user}"),
            Upload(f"{MARKS}/{KUBECONFIG}{deed.cluster}", mark.encode(), 0o600),
        ]
    )
    return Outcome.CHANGED
