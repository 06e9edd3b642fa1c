"""kubectl's configuration on client hosts."""

from __future__ import annotations

import hashlib

from kanae.execute import kubeconfig
from kanae.execute.actions.authorities import authority_public
from kanae.execute.context import StepContext
from kanae.execute.events import Outcome
from kanae.execute.scripts import files
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.plan.actions import WriteKubeconfig
from kanae.plan.clients import made_for
from kanae.transport.protocol import Transport, Upload, must, must_text


async def admin_conf(transport: Transport) -> str:
    """The administrator's credentials: a secret."""
    script = files.read(at.ADMIN_CONF)
    return await must_text(transport, script, command=script)


async def write(ctx: StepContext) -> Outcome:
    action = ctx.action(WriteKubeconfig)
    transport = ctx.transport()
    admin = ctx.values.put("admin.conf", await admin_conf(ctx.transport(action.source)))
    # kubectl locks a kubeconfig by a file beside it, and has its cache there.
    folder = files.folder_of(action.path, action.owner)
    await must(transport, folder, command=f"make the folder of {action.path}")
    there = await transport.run(files.read_if_there(action.path))
    existing = there.stdout.decode(errors="replace")
    ours = kubeconfig.named(admin, action.cluster)
    document = kubeconfig.merged(existing, ours)
    authority = await authority_public(ctx, action.source)
    digest = hashlib.sha256(authority.encode()).hexdigest()
    mark = made_for(action.endpoint, digest, action.path, kubeconfig.end(ours))
    await transport.upload(
        [
            Upload(action.path, kubeconfig.to_text(document).encode(), 0o600, action.owner),
            Upload(marks.path(marks.KUBECONFIG + action.cluster), mark.encode(), 0o600),
        ]
    )
    return Outcome.CHANGED
