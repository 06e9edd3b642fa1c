from __future__ import annotations

from pathlib import Path

import pytest

from kanae.errors import LabError
from kanae.lab import desired, network
from kanae.lab.record import LabRecord
from kanae.lab.release import Image
from kanae.spec.load import loads
from kanae.spec.models import Spec

B, T = Image.BOOKWORM, Image.TRIXIE
BASES = {B: Path("/b"), T: Path("/t")}


@pytest.fixture(autouse=True)
def no_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own routes do not matter here."""
    monkeypatch.setattr(network, "routes", dict)


def spec(hosts: int) -> Spec:
    lines = ["name: one", "kubernetes: v1.37.2", "hosts:"]
    for index in range(1, hosts + 1):
        role = "worker" if index > 1 else "control-plane"
        lines.append(f"  h{index}: {{address: 10.9.9.{9 + index}, roles: [{role}]}}")
    return loads("\n".join(lines) + "\n", "test")


def made(hosts: int, chosen: dict[str, Image], current: LabRecord | None = None) -> LabRecord:
    specs = [spec(hosts)]
    images = desired.images(specs, current, chosen)
    return desired.record(specs, current, images, {i: BASES[i] for i in images.values()})


def test_hosts_have_the_chosen_image_or_bookworm() -> None:
    record = made(3, {"h2": T})
    assert [(h.name, h.image) for h in record.hosts] == [("h1", B), ("h2", T), ("h3", B)]
    assert record.bases == BASES


def test_a_lab_has_the_bases_of_its_hosts_alone() -> None:
    assert made(2, {"h1": T, "h2": T}).bases == {T: Path("/t")}


def test_hosts_keep_their_image_when_nothing_is_said_and_new_ones_have_their_own() -> None:
    before = made(2, {"h2": T})
    after = made(4, {"h4": T}, before)
    assert after.hosts[:2] == before.hosts
    assert [h.image for h in after.hosts] == [B, T, B, T]


def test_the_base_under_standing_hosts_stays_when_a_newer_one_is_built() -> None:
    before = made(1, {}).model_copy(update={"bases": {B: Path("/older")}})
    assert made(2, {"h2": T}, before).bases == {B: Path("/older"), T: Path("/t")}


def test_a_host_that_there_is_cannot_become_another() -> None:
    before = made(2, {"h2": T})
    assert made(2, {"h2": T}, before).hosts == before.hosts
    with pytest.raises(LabError, match="h1 is bookworm") as caught:
        made(2, {"h1": T, "h2": T}, before)
    assert caught.value.remedy == "kanae lab down one, then up"
