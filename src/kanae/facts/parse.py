"""From a host's answer to HostFacts. Pure; garbage raises FactsError and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

from kanae.facts.folders import parse_folders
from kanae.facts.frame import split
from kanae.facts.model import HostFacts, Query
from kanae.facts.parse_base import head, parse_base
from kanae.facts.parse_boot import parse_boot_sysctls
from kanae.facts.parse_certificates import parse_certificates
from kanae.facts.parse_cluster import parse_api, parse_etcd, parse_images
from kanae.facts.parse_files import parse_files
from kanae.facts.parse_units import parse_packages, parse_units
from kanae.facts.resolving import parse_names
from kanae.facts.script import sysctl_path
from kanae.facts.servers import parse_servers
from kanae.layout import paths as at


def parse(
    host: str,
    query: Query,
    output: bytes,
    sent_at: float,
    received_at: float,
    state: str = at.STATE,
) -> HostFacts:
    """Read the answer to `script(query, state)`.

    sent_at, received_at: the operator's clock around the round trip, seconds since the epoch.
    The host says when it began and ended, so that its own work does not count as distance.
    """
    answer = split(host, output)
    read = head(answer.lines("files-of-base"))
    trip = (received_at - sent_at) - (answer.ended - answer.started)
    offset = ((answer.started - sent_at) + (answer.ended - received_at)) / 2
    base = parse_base(answer, read, offset, max(trip, 0.0) / 2)
    files = parse_files(answer)
    records = f"{state}/marks/"
    sysctls = {name: read.get(sysctl_path(name)) for name in query.sysctls}
    try:
        read_at = datetime.fromtimestamp(received_at, UTC)
    except (OverflowError, ValueError, OSError):
        raise answer.wrong("no time of reading") from None
    return HostFacts(
        host=host,
        read_at=read_at,
        base=base,
        files={
            path: files.get(base.login.path(path) or "") for path in (*query.files, *query.contents)
        },
        folders=parse_folders(answer, query.folders),
        certificates=parse_certificates(answer, query.certificates),
        units=parse_units(answer, query.units),
        packages=parse_packages(answer, query.packages),
        sysctls={
            name: " ".join(value.split()) if value is not None else None
            for name, value in sysctls.items()
        },
        boot_sysctls=parse_boot_sysctls(answer, query.sysctls),
        images=parse_images(answer),
        api=parse_api(answer, query),
        etcd=parse_etcd(answer),
        marks={
            path.removeprefix(records): fact.text
            for path, fact in files.items()
            if path.startswith(records) and fact.text is not None
        },
        names=parse_names(answer, query.names),
        servers=parse_servers(answer, query.kubeconfigs),
    )
