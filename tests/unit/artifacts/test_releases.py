"""Two releases side by side: an upgrade needs both in one mapping, one store and one delivery."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kanae.artifacts import catalogue, fetch
from kanae.artifacts.build import programs
from kanae.artifacts.build.supplier import BuildSupplier
from kanae.artifacts.catalogue import Build, Release
from kanae.artifacts.model import Artifact, ArtifactSet, Kind
from kanae.artifacts.progress import Progress
from kanae.artifacts.store import Store
from kanae.artifacts.supplier import item_key
from kanae.errors import ArtifactError
from kanae.spec.models import ArtifactSource

if TYPE_CHECKING:
    from conftest import Site

OLD = catalogue.load().release("v1.36.3")
NEW = catalogue.load().release("v1.37.2")
BOTH = (OLD, NEW)
NAMES = ("kubectl", "runc")
RUNC = "/opencontainers/runc/releases/download/v1.5.2"


def publish(site: Site) -> dict[str, str]:
    """kubectl of both releases, and the runc that both have; the mirror map."""
    for release in BOTH:
        path = f"/release/{release.version}/bin/linux/amd64/kubectl"
        body = f"kubectl {release.version}".encode()
        site.files[path] = body
        site.files[path + ".sha256"] = hashlib.sha256(body).hexdigest().encode()
    site.files[f"{RUNC}/runc.amd64"] = b"runc"
    sums = f"{hashlib.sha256(b'runc').hexdigest()}  runc.amd64\n"
    site.files[f"{RUNC}/runc.sha256sum"] = sums.encode()
    return {"dl.k8s.io": site.url, "github.com": site.url}


def obtain(site: Site, store: Store, *releases: Release) -> ArtifactSet:
    return fetch.obtain(
        releases, ["amd64"], ArtifactSource.MIRROR, store=store, mirror=publish(site), names=NAMES
    )


def lookup(site: Site, store: Store, *releases: Release) -> ArtifactSet:
    return fetch.lookup(
        releases, ["amd64"], ArtifactSource.MIRROR, store=store, mirror=publish(site), names=NAMES
    )


CONTENT = {
    "binary/kubectl/v1.36.3/amd64": b"kubectl v1.36.3",
    "binary/runc/v1.5.2/amd64": b"runc",
    "binary/kubectl/v1.37.2/amd64": b"kubectl v1.37.2",
}


def contents(artifacts: ArtifactSet) -> dict[str, bytes]:
    return {id_: artifact.path.read_bytes() for id_, artifact in artifacts.items()}


def test_both_are_obtained_at_once_and_what_they_share_once(site: Site, store: Store) -> None:
    assert contents(obtain(site, store, *BOTH)) == CONTENT
    assert len(site.asked(f"{RUNC}/runc.amd64")) == 1
    assert contents(lookup(site, store, *BOTH)) == CONTENT


def test_sets_of_each_release_merge_into_the_set_of_both(site: Site, store: Store) -> None:
    old, new = obtain(site, store, OLD), obtain(site, store, NEW)
    assert (len(old), len(new)) == (2, 2)
    merged = ArtifactSet((*old.values(), *new.values()))
    assert contents(merged) == CONTENT
    assert dict(merged) == dict(lookup(site, store, *BOTH))
    # Plain dicts, as of several look-ups, lose nothing either.
    assert {**new, **old} == dict(merged)


def test_one_release_is_as_it_is_without_the_other(site: Site, store: Store) -> None:
    obtain(site, store, OLD)
    assert list(lookup(site, store, *BOTH)) == list(CONTENT)[:2]
    assert list(lookup(site, store, NEW)) == ["binary/runc/v1.5.2/amd64"]


def test_a_name_that_is_there_in_two_versions_needs_the_version(site: Site, store: Store) -> None:
    both = obtain(site, store, *BOTH)
    assert both.binary("kubectl", version="v1.36.3").path.read_bytes() == b"kubectl v1.36.3"
    assert both.binary("runc").version == "v1.5.2"
    with pytest.raises(ArtifactError, match=r"several versions: v1\.36\.3, v1\.37\.2"):
        both.binary("kubectl")
    with pytest.raises(ArtifactError, match=r"binary kubectl v1\.35\.0 is not in this set"):
        both.binary("kubectl", version="v1.35.0")


def test_one_id_for_different_bytes_is_refused_rather_than_one_of_them_lost(store: Store) -> None:
    def runc(data: bytes) -> Artifact:
        digest = store.add_bytes(data)
        size, path = len(data), store.path(digest)
        return Artifact("runc", "v1.5.2", "amd64", Kind.BINARY, digest, size, path)

    assert len(ArtifactSet([runc(b"built"), runc(b"built")])) == 1
    with pytest.raises(ArtifactError, match=r"runc/v1\.5\.2/amd64 is here with two digests"):
        ArtifactSet([runc(b"built"), runc(b"upstream's")])


def test_what_is_built_from_another_version_is_found_by_the_listed_one() -> None:
    built = Artifact(
        "flannel", "v0.9.1", "amd64", Kind.BINARY, "sha256:0", 1, Path("/x"),
        listed="v1.9.1-flannel3",
    )  # fmt: skip
    assert built.id == NEW.item(Kind.BINARY, "flannel", "amd64").id
    assert ArtifactSet([built]).binary("flannel", version="v1.9.1-flannel3").version == "v0.9.1"


def test_caches_filled_before_ids_had_versions_stay_good() -> None:
    """The key of a recipe is made of what it was made of then."""
    item = NEW.item(Kind.BINARY, "kubectl", "amd64")
    told = f"build\nbinary/kubectl/amd64\n{item.pins()}\n"
    assert item_key("build", item) == hashlib.sha256(told.encode()).hexdigest()


def test_an_unknown_name_is_told_with_all_releases(store: Store) -> None:
    with pytest.raises(ArtifactError, match=r"of v1\.36\.3 and v1\.37\.2 has no nginx"):
        fetch.obtain(BOTH, ["amd64"], ArtifactSource.BUILD, store=store, names=["nginx"])


def made_up(components: dict[str, str]) -> Release:
    """The release with other versions of some components."""
    return Release("v1.37.3", {**NEW.components, **components}, NEW.data)


def test_releases_that_list_two_versions_built_from_one_get_both(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """flannel's CNI plugin: whatever is listed, v0.9.1 is what can be built."""
    built: list[str] = []

    def build(
        recipe: Build, arch: str, names: Collection[str], folder: Path, progress: Progress
    ) -> dict[str, Path]:
        built.append(recipe.version)
        for name in names:
            (folder / name).write_text(name)
        return {name: folder / name for name in names}

    monkeypatch.setattr(programs, "build", build)
    other = made_up({"flannel-cni": "v1.9.2-flannel1"})
    found = fetch.obtain(
        [NEW, other], ["amd64"], ArtifactSource.BUILD, store=store, names=["binary/flannel"]
    )
    assert built == ["v0.9.1"]
    assert list(found) == [
        "binary/flannel/v1.9.1-flannel3/amd64",
        "binary/flannel/v1.9.2-flannel1/amd64",
    ]
    assert {a.version for a in found.values()} == {"v0.9.1"}
    assert found == fetch.lookup(
        [other, NEW], ["amd64"], ArtifactSource.BUILD, store=store, names=["binary/flannel"]
    )


def test_two_versions_of_a_module_are_two_builds(store: Store) -> None:
    other = made_up({"kubernetes": "v1.36.3", "pause": "3.10.3"})
    groups = BuildSupplier().groups(fetch.select([NEW, other], ["amd64", "arm64"], None))
    for group in groups:
        assert len({(item.component, item.version, item.arch) for item in group}) == 1
        assert len({repr(item.build) for item in group}) == 1
    twice = [g[0].version for g in groups if g[0].component == "pause" and g[0].arch == "amd64"]
    assert twice == ["3.10.2", "3.10.3"]


def test_two_images_of_equal_bytes_are_had_under_both_references(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = programs.run

    def compiled(command: Sequence[str], *, env: dict[str, str], what: str) -> None:
        """Without the version, which is all that tells two pauses apart."""
        alike = ['-DVERSION="0"' if word.startswith("-DVERSION=") else word for word in command]
        real(alike, env=env, what=what)

    monkeypatch.setattr(programs, "run", compiled)
    arch = programs.MACHINES[os.uname().machine]
    releases = [NEW, made_up({"pause": "3.10.3"})]
    found = fetch.obtain(
        releases, [arch], ArtifactSource.BUILD, store=Store(tmp_path / "one"), names=["pause"]
    )
    images = found.images(arch)
    assert [i.reference for i in images] == [f"registry.k8s.io/pause:3.10.{n}" for n in (2, 3)]
    assert images[0].digest == images[1].digest
