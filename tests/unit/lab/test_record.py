from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from kanae.errors import LabError
from kanae.lab import record
from kanae.lab.host import hosts_file
from kanae.lab.keys import SshFiles
from kanae.lab.processes import Process
from kanae.lab.record import HostRecord, LabRecord, Phase
from kanae.lab.release import Image


@pytest.fixture
def made() -> LabRecord:
    names = ("server1", "server2")
    hosts = [
        HostRecord(
            name=name,
            address=IPv4Address(f"10.77.1.{10 + i}"),
            index=i,
            machine_id=f"{i:032}",
            image=image,
        )
        for i, (name, image) in enumerate(zip(names, Image, strict=True))
    ]
    return LabRecord(
        name="reference",
        phase=Phase.CREATING,
        boot="b",
        subnet=IPv4Network("10.77.1.0/24"),
        gateway=IPv4Address("10.77.1.1"),
        bases={Image.BOOKWORM: Path("/base"), Image.TRIXIE: Path("/newer")},
        operator_password="p",
        hosts=tuple(hosts),
    )


def test_record_comes_back_as_written_and_is_private(tmp_path: Path, made: LabRecord) -> None:
    folder = tmp_path / "reference"
    changed = made.with_supervisor("server2", Process(7, 8)).with_phase(Phase.UP)
    record.write(folder, changed)
    assert record.read(folder) == changed
    assert record.record_path(folder).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == ["record.json"]


def test_each_host_has_the_base_of_its_image(made: LabRecord) -> None:
    shown = [(host.image, str(made.base(host))) for host in made.hosts]
    assert shown == [("bookworm", "/base"), ("trixie", "/newer")]


def test_a_record_from_before_hosts_had_images_tells_of_bookworm(
    tmp_path: Path, made: LabRecord
) -> None:
    old = made.model_dump(mode="json")
    del old["bases"]
    for host in old["hosts"]:
        del host["image"]
    old["base"] = "/old"
    record.record_path(tmp_path).write_text(json.dumps(old))
    found = record.read(tmp_path)
    assert found is not None
    assert [(host.image, str(found.base(host))) for host in found.hosts] == [
        ("bookworm", "/old"),
        ("bookworm", "/old"),
    ]


def test_missing_record_is_none_and_a_broken_one_is_named(tmp_path: Path) -> None:
    assert record.read(tmp_path) is None
    for broken in ("{", "[]", "{}"):
        record.record_path(tmp_path).write_text(broken)
        with pytest.raises(LabError, match=r"record\.json is not a lab's record"):
            record.read(tmp_path)


def test_unknown_host_is_answered_with_the_known_ones(made: LabRecord) -> None:
    with pytest.raises(LabError, match="no host server9") as caught:
        made.host("server9")
    assert caught.value.remedy == "its hosts: server1, server2"


def test_ports_are_unique_and_fit_into_15_bytes(made: LabRecord) -> None:
    last = made.host("server1").model_copy(update={"index": 4095})
    assert len(made.port(last)) <= 15
    assert len({made.port(host) for host in (*made.hosts, last)}) == 3


def test_hosts_file_names_every_host(made: LabRecord) -> None:
    assert hosts_file(made).splitlines()[-2:] == ["10.77.1.10 server1", "10.77.1.11 server2"]


def test_ssh_files_name_every_host_with_a_lasting_key(tmp_path: Path, made: LabRecord) -> None:
    files = SshFiles(tmp_path)
    files.operator()
    files.write(made)
    known = files.known_hosts.read_text().splitlines()
    assert [line.split()[0] for line in known] == ["server1,10.77.1.10", "server2,10.77.1.11"]
    assert len({line.split()[2] for line in known}) == 2
    files.write(made)
    assert files.known_hosts.read_text().splitlines() == known
    assert files.identity.stat().st_mode & 0o777 == 0o600
    assert files.config.read_text().count("StrictHostKeyChecking yes") == 2
