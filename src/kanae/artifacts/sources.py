"""Choosing a source: what the user said, or for `auto` what is cached or answers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kanae.artifacts.build.supplier import BuildSupplier
from kanae.artifacts.bundle import BundleSupplier
from kanae.artifacts.catalogue import Item, Release
from kanae.artifacts.store import Store
from kanae.artifacts.supplier import Supplier, held
from kanae.artifacts.upstream import UpstreamSupplier
from kanae.errors import KanaeError, UsageError
from kanae.spec.models import ArtifactSource

# Seconds that upstream has to answer a small request before `auto` takes it as unreachable.
PROBE = 4.0


@dataclass(frozen=True, slots=True)
class Choice:
    """A source and, where it was not the user's own choice, one line that says why.

    As a context manager it lets go of the source's connections at the end.
    """

    supplier: Supplier
    reason: str = ""

    def __enter__(self) -> Choice:
        return self

    def __exit__(self, *_: object) -> None:
        self.supplier.close()


def choose(
    source: ArtifactSource,
    releases: Sequence[Release],
    items: Sequence[Item],
    store: Store,
    *,
    mirror: Mapping[str, str] | None = None,
    bundle: Path | None = None,
    probing: bool = True,
) -> Choice:
    """The supplier for a source, one for all releases, so that what they share is the same bytes.

    UsageError when its mirror or bundle is not said.

    auto: upstream (or the mirror, if one is said) when everything is cached from there or when it
    answers, else build. probing: whether asking the network is allowed; without it, auto is
    whatever the store has most of.
    """
    if source is ArtifactSource.BUILD:
        return Choice(BuildSupplier())
    if source is ArtifactSource.UPSTREAM:
        return Choice(UpstreamSupplier())
    if source is ArtifactSource.MIRROR:
        if not mirror:
            raise UsageError(
                "source mirror needs base URLs",
                remedy="say --mirror HOST=URL, or artifacts.mirror.urls in the spec",
            )
        return Choice(UpstreamSupplier(mirror))
    if source is ArtifactSource.BUNDLE:
        if bundle is None:
            raise UsageError(
                "source bundle needs a file",
                remedy="say --bundle FILE, or artifacts.bundle in the spec",
            )
        return Choice(BundleSupplier(bundle, [release.version for release in releases]))
    return _automatic(items, store, UpstreamSupplier(mirror), probing=probing)


def _automatic(
    items: Sequence[Item], store: Store, upstream: UpstreamSupplier, *, probing: bool
) -> Choice:
    build = BuildSupplier()
    have = {
        supplier.label: sum(held(supplier, item, store) is not None for item in items)
        for supplier in (upstream, build)
    }
    if have[upstream.label] == len(items):
        return Choice(upstream, f"source {upstream.label}: everything is in the cache from there")
    if have[build.label] == len(items):
        return Choice(build, "source build: everything is in the cache from there")
    if not probing:
        return Choice(upstream if have[upstream.label] > have[build.label] else build)
    refusal = _refusal(items, upstream)
    if refusal is None:
        return Choice(upstream, f"source {upstream.label}: it answers")
    return Choice(build, f"source build: {upstream.label} cannot be used ({refusal})")


def _refusal(items: Sequence[Item], upstream: UpstreamSupplier) -> str | None:
    """Why upstream cannot be used, or None when it can: one small request to it."""
    from kanae.artifacts.registry import Reference
    from kanae.artifacts.transfer import Http, Limits, published_digest

    found: list[str | None] = []

    def ask() -> None:
        http = Http(upstream.mirror, Limits(connect=PROBE, idle=PROBE, attempts=1))
        try:
            for item in items:
                if item.remote is not None:
                    # Read, since what answers may be a captive portal's page.
                    text = http.text(item.remote.checksum)
                    name = item.remote.url.rpartition("/")[2]
                    published_digest(text, name, item.remote.checksum)
                    break
            else:
                for item in items[:1]:
                    host = Reference.parse(item.reference).url("", "").partition("/v2/")[0]
                    http.get(f"{host}/v2/")
            found.append(None)
        except KanaeError as error:
            found.append(error.message)
        finally:
            http.close()

    # A thread of its own, since looking up a name can hang longer than any timeout of a socket.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE * 1.5)
    return found[0] if found else f"no answer within {PROBE * 1.5:.0f} s"
