"""Resources, binaries and images: what a host is given."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from kanae.artifacts.archives import Archives
from kanae.artifacts.model import Artifact
from kanae.errors import ArtifactError
from kanae.execute.context import StepContext
from kanae.execute.events import Outcome
from kanae.execute.scripts import images, resources
from kanae.layout import paths as at
from kanae.plan.actions import Converge, DeliverBinaries, LoadImages
from kanae.resources.artifact import Binary, Image
from kanae.resources.model import Content
from kanae.transport.protocol import Upload, must


async def converge(ctx: StepContext) -> Outcome:
    """Two round trips: write all files, then run all lines."""
    action = ctx.action(Converge)
    contents = resources.contents(action)
    transport = ctx.transport()
    if contents:
        await transport.upload(_uploads(contents), timeout=ctx.left())
    if script := resources.apply(action):
        what = ", ".join(resource.key for resource in action.resources)
        await must(
            transport,
            script,
            command=what if len(what) < 200 else what[:197] + "...",
            timeout=ctx.left(),
            remedy="see `systemctl status` and `journalctl -xe` on the host, then apply again",
        )
    return Outcome.CHANGED


def _uploads(contents: Sequence[Content]) -> list[Upload]:
    return [Upload(each.path, each.text.encode(), each.mode, each.owner) for each in contents]


class Delivery:
    """Carries artifacts from the store to hosts. artifacts: by Artifact.id.

    archives: where images are put together, once for all hosts that want the same.
    """

    def __init__(self, artifacts: Mapping[str, Artifact], archives: Archives) -> None:
        self._artifacts = artifacts
        self._archives = archives
        self._archiving = asyncio.Lock()

    def _artifact(self, wanted: Binary | Image) -> Artifact:
        found = self._artifacts.get(wanted.artifact)
        if found is None or found.digest != wanted.digest:
            raise ArtifactError(
                f"{wanted.name}: {wanted.artifact} is not in the store as planned",
                remedy="run `kanae artifacts fetch`, then apply again",
            )
        return found

    async def binaries(self, ctx: StepContext) -> Outcome:
        action = ctx.action(DeliverBinaries)
        uploads = _uploads(action.marks)
        uploads += [
            Upload(binary.path, self._artifact(binary).path, 0o755) for binary in action.binaries
        ]
        size = sum(binary.size for binary in action.binaries)
        ctx.progress(f"sending {len(action.binaries)} binaries, {size / 1e6:.0f} MB")
        await ctx.transport().upload(uploads, timeout=ctx.left())
        return Outcome.CHANGED

    async def images(self, ctx: StepContext) -> Outcome:
        action = ctx.action(LoadImages)
        ours = [image for image in action.images if not image.artifact.startswith("archive:")]
        files = {image.artifact.removeprefix("archive:") for image in action.images} - {
            image.artifact for image in ours
        }
        archives = [Path(path) for path in sorted(files)]
        if ours:
            archives.append(await self._archive(ours))
        for archive in archives:
            await self._load(ctx, archive, unpack=action.unpack)
        await self._pin(ctx, action.images)
        return Outcome.CHANGED

    async def _archive(self, images: Sequence[Image]) -> Path:
        """One archive of these images, made when it is first wanted."""
        wanted = [self._artifact(image) for image in images]
        # Hosts want the same one at once: all but the first wait here, not each in a thread.
        async with self._archiving:
            return await asyncio.to_thread(self._archives.of, wanted)

    async def _pin(self, ctx: StepContext, loaded: Sequence[Image]) -> None:
        await must(
            ctx.transport(),
            images.pin(loaded),
            command="ctr -n k8s.io images label",
            timeout=ctx.left(),
            remedy="see `journalctl -u containerd` on the host",
        )

    async def _load(self, ctx: StepContext, archive: Path, *, unpack: bool) -> None:
        transport = ctx.transport()
        size = await asyncio.to_thread(lambda: archive.stat().st_size)
        # Not by its own name, which is somebody else's: too long for a host, or an option.
        name = hashlib.sha256(os.fsencode(archive)).hexdigest()
        there = f"{at.IMAGES}/{name}.tar"
        ctx.progress(f"sending images, {size / 1e6:.0f} MB")
        await transport.upload([Upload(there, archive, 0o600)], timeout=ctx.left())
        ctx.progress("loading images")
        await must(
            transport,
            images.load(there, unpack=unpack),
            command="ctr -n k8s.io images import",
            timeout=ctx.left(),
            remedy="see `journalctl -u containerd` on the host",
        )
