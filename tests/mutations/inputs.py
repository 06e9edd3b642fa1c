"""Each kind of input from outside: a sound one, how it is broken, and what reads it.

A reader is a function of a folder of its own and a seed's Random; whatever it raises but a
KanaeError is a fault of kanae.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import io
import json
import re
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path
from random import Random
from typing import Any, Final

import asyncssh  # when first imported, it looks for libraries by a program
import httpx2

from kanae.artifacts import bundle, named, oci, registry
from kanae.artifacts.bundle import BundleSupplier
from kanae.artifacts.model import Artifact, ArtifactSet, Kind
from kanae.artifacts.oci import Member
from kanae.artifacts.progress import Silent
from kanae.artifacts.store import Store
from kanae.artifacts.transfer import Http, Limits, published_digest
from kanae.drills.judging import checker, history
from kanae.drills.running import recovery_record
from kanae.execute import journal, kubeconfig, lease
from kanae.execute.events import Outcome, RunEnded, RunStarted, StepEnded, StepStarted
from kanae.facts.balancer import BalancerQuery, parse_balancer
from kanae.facts.model import Facts
from kanae.facts.parse import parse
from kanae.facts.ports import parse_opened, parse_tried
from kanae.facts.probe import ProbeQuery, parse_probe
from kanae.facts.script import script
from kanae.lab import record as lab_record
from kanae.operations.project import Project
from kanae.plan import planner
from kanae.plan.reset import reset
from kanae.plan.view import View
from kanae.report.drill_text import verdict_text
from kanae.report.html import page
from kanae.report.plan_text import plan_data, plan_text
from kanae.report.run_text import run_data, run_text, runs_text
from kanae.resources.model import merge
from kanae.spec.models import ImageArchive, Role, Spec
from kanae.transport.protocol import Completed
from kanae.verify.model import Subject
from kanae.verify.query import check_query, probe_query
from kanae.verify.run import as_line, judge
from kanae.verify.status import status, status_query

from ..model.fixtures import ARTIFACTS, RELEASE, V1, V2, Desk, bare, example
from ..unit.drills.drill_histories import good
from ..unit.execute.test_names_that_bite import outside_quotes
from . import mutating, scripts

Reader = Callable[[Path, Random], None]
TESTS: Final = Path(__file__).parents[1]
SPECS: Final = (
    *sorted((TESTS.parent / "examples").glob("*.yaml")), TESTS / "unit/spec/full.yaml",
)  # fmt: skip


def unquoted(text: str) -> str:
    """A script in which nothing from outside stands where a shell looks; the script."""
    assert mutating.CANARY not in outside_quotes(text), text
    return text


# Specs


@cache
def _document(path: Path) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(path.read_text())  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]  # untyped in ruamel.yaml


def spec(folder: Path, random: Random) -> None:
    """Loaded; then planned and rendered for bare hosts, and for a reset of them."""
    path = random.choice(SPECS)
    file = folder / "cluster.yaml"
    if random.random() < 0.3:
        file.write_bytes(mutating.content(path.read_bytes(), random))
    else:  # JSON is YAML
        file.write_bytes(mutating.of_json(_document(path), random))
    _planned(Project.open(file), random)


# Fields that take any text, or nearly.
FREE: Final = (
    ("apiServer", "extraArgs", "audit-log-path"), ("controllerManager", "extraArgs", "v"),
    ("scheduler", "extraArgs", "profiling"), ("etcd", "extraArgs", "snapshot-count"),
    ("etcd", "dataDir"), ("kubelet", "resolvConf"), ("kubelet", "providerID"),
    ("kubelet", "volumePluginDir"), ("kubelet", "evictionHard", "memory.available"),
    ("kubeProxy", "settings", "metricsBindAddress"), ("apiServer", "certSans", 0),
    ("ssh", "user"), ("ssh", "key"), ("ssh", "jump"), ("endpoint", "name"),
    ("networks", "dnsDomain"), ("hosts", "only", "labels", "a"),
    ("hosts", "only", "taints", 0, "value"), ("hosts", "only", "kubelet", "podLogsDir"),
    ("hosts", "only", "power", "off"), ("hosts", "only", "ssh", "user"),
    ("artifacts", "mirror", "urls", "dl.k8s.io"), ("artifacts", "bundle"),
)  # fmt: skip


def free_text(folder: Path, random: Random) -> None:
    """A sound spec with values that bite where values are free."""
    document: Any = {
        "name": "demo",
        "kubernetes": RELEASE.version,
        "hosts": {
            "only": {"address": "10.0.0.1", "roles": ["control-plane", "worker"]},
            "client": {"address": "10.0.0.2", "roles": ["client"]},
        },
    }
    for path in random.sample(FREE, random.choice((1, 1, 1, 2))):
        value: Any = mutating.text(random)
        for part in reversed(path[1:]):
            value = [value] if part == 0 else {part: value}
        _put(document, {path[0]: value})
    file = folder / "cluster.yaml"
    file.write_bytes(mutating.dumped(document))
    _planned(Project.open(file), random)


def _put(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _put(into[key], value)  # pyright: ignore[reportUnknownArgumentType]
        else:
            into[key] = value


def _planned(project: Project, random: Random) -> None:
    wanted = project.spec
    facts = bare(wanted, random.choice((V1, V2)))
    for host, query in project.queries().items():
        asked = [query, check_query(wanted, host), status_query(wanted, host)]
        unquoted(script(merge(asked)))
        probe_query(wanted, host, facts)
    view = project.view(facts, ARTIFACTS)
    for plan in (planner.plan(view), reset(view, keep_artifacts=False)):
        plan_text(plan, verbose=True)
        json.dumps(plan_data(plan))
        for each in scripts.of(plan):
            unquoted(each)
    _judged(wanted, facts)


def _judged(wanted: Spec, facts: Facts) -> None:
    for finding in judge(Subject(wanted, facts)):
        as_line(finding)
    json.dumps(dataclasses.asdict(status(wanted, facts, {}, {})), default=str)


# What a spec names

MANIFEST: Final = [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}},
    {
        "apiVersion": "v1", "kind": "List",
        "items": [
            {
                "apiVersion": "apps/v1", "kind": "DaemonSet",
                "metadata": {"name": "net", "namespace": "kube-system", "labels": {"a": "b"}},
                "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}},
            }
        ],
    },
]  # fmt: skip


def manifest(folder: Path, random: Random) -> None:
    texts = [mutating.of_json(each, random) for each in MANIFEST]
    (folder / "net.yaml").write_bytes(b"\n---\n".join(texts))
    document = _document(SPECS[0]) | {
        "networks": {"podNetwork": {"provider": "manifests", "manifests": [{"source": "net.yaml"}]}}
    }
    (folder / "cluster.yaml").write_bytes(mutating.dumped(document))
    _planned(Project.open(folder / "cluster.yaml"), random)


def _tar(members: Mapping[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return whole.getvalue()


def image_archive(folder: Path, random: Random) -> None:
    blob = "sha256:" + "a" * 64
    index = {"manifests": [{"digest": blob, "annotations": {named.CONTAINERD_NAME: "a.b/c:1"}}]}
    docker = [{"RepoTags": ["app:1"], "Config": "c", "Layers": []}]
    members = {
        "index.json": mutating.of_json(index, random),
        "manifest.json": mutating.of_json(docker, random),
    }
    whole = _tar(members)
    if random.random() < 0.3:
        whole = mutating.content(whole, random)
    file = folder / "app $(touch pwned).tar"
    file.write_bytes(whole)
    archive = ImageArchive(source=file.name)
    named.archives([archive], folder, Store(folder / "store"))
    document = _document(SPECS[0]) | {"images": [{"source": file.name}]}
    (folder / "cluster.yaml").write_bytes(mutating.dumped(document))
    _planned(Project.open(folder / "cluster.yaml"), random)


# Artifacts


@cache
def sound_bundle() -> bytes:
    """Made before anything is watched: layers are compressed by a program."""
    assert asyncssh.__version__
    with tempfile.TemporaryDirectory() as folder:
        return _made(Path(folder))


def _made(folder: Path) -> bytes:
    store = Store(folder / "made")
    digest = store.add_bytes(b"kubeadm" * 9)
    layer = oci.add_layer(store, [Member("pause", data=b"pause")])
    image = oci.add_image(store, [layer], arch="amd64", entrypoint=["pause"])
    made = ArtifactSet(
        [
            Artifact(
                "kubeadm", RELEASE.version, "amd64", Kind.BINARY, digest, 63, store.path(digest)
            ),
            Artifact(
                "pause", RELEASE.components["pause"], "amd64", Kind.IMAGE, image.digest,
                image.size, store.path(image.digest), RELEASE.image_references()["pause"],
            ),
        ]
    )  # fmt: skip
    bundle.create(folder / "sound.tar", [RELEASE.version], made, Silent())
    return (folder / "sound.tar").read_bytes()


def a_bundle(folder: Path, random: Random) -> None:
    """Inspected, verified, and imported into a store."""
    with tarfile.open(fileobj=io.BytesIO(sound_bundle())) as tar:
        members: dict[str, bytes] = {}
        for info in tar:
            stream = tar.extractfile(info)
            members[info.name] = stream.read() if stream is not None else b""
    index = json.loads(members[bundle.INDEX])
    index.pop("sum")
    if random.random() < 0.7:
        index = mutating.tree(index, random)
        body = mutating.dumped(index)
        if isinstance(index, dict):
            whole = json.dumps(index, sort_keys=True, indent=1).encode()
            body = json.dumps(index | {"sum": "sha256:" + sha256(whole).hexdigest()}).encode()
        members[bundle.INDEX] = body
    if random.random() < 0.3:
        name = random.choice([each for each in members if each != bundle.INDEX])
        members[f"blobs/sha256/{mutating.text(random)[:60]!a}"] = members.pop(name)
    whole = _tar(members)
    file = folder / "b.tar"
    file.write_bytes(mutating.content(whole, random) if random.random() < 0.3 else whole)
    bundle.inspect(file)
    bundle.verify(file, Silent())
    items = [item for item in RELEASE.items("amd64") if item.name in {"kubeadm", "pause"}]
    BundleSupplier(file, [RELEASE.version]).supply(items, Store(folder / "store"), Silent())


def stored_index(folder: Path, random: Random) -> None:
    """A line of the cache's own index, which somebody has edited or a crash has torn."""
    store = Store(folder / "store")
    digest = store.add_bytes(b"x")
    entry = {
        "kind": "binary", "name": "x", "version": "v1", "arch": "amd64", "source": "build",
        "digest": digest, "size": 1, "blobs": [digest], "reference": "", "diff_id": "",
    }  # fmt: skip
    line = folder / "store/index" / f"{'a' * 64}.json"
    line.write_bytes(mutating.of_json(entry, random))
    store.entry("a" * 64)
    store.entries()


@cache
def _http() -> Http:
    """One for all: to make one costs more than all else."""
    return Http({}, Limits(attempts=1))


def registry_answers(folder: Path, random: Random) -> None:
    """A mirror that answers with other things than it should."""
    layer = b"layer"
    digest = "sha256:" + sha256(layer).hexdigest()
    manifest = {
        "mediaType": oci.MANIFEST,
        "config": {"digest": digest, "size": 5, "mediaType": "x"},
        "layers": [{"digest": digest, "size": 5, "mediaType": "x"}],
    }
    index = {
        "manifests": [{"digest": digest, "platform": {"os": "linux", "architecture": "amd64"}}]
    }

    def answer(request: httpx2.Request) -> httpx2.Response:
        if "/blobs/" in request.url.path:
            return httpx2.Response(
                200, stream=httpx2.ByteStream(random.choice((layer, b"", b"other")))
            )
        told = random.choice((manifest, manifest, index))
        headers = {"Docker-Content-Digest": digest} if random.random() < 0.2 else {}
        code = random.choice((200, 200, 200, 200, 401, 404))
        if code == 401:
            challenge = mutating.content(b'Bearer realm="https://x/token",service="y"', random)
            headers["WWW-Authenticate"] = re.sub(r"[^ -~]", "?", challenge.decode("latin-1"))
        return httpx2.Response(code, headers=headers, content=mutating.of_json(told, random))

    http = _http()
    http.client = httpx2.Client(transport=httpx2.MockTransport(answer), trust_env=False)
    registry.pull(http, "a.b/c/d:1", "amd64", Store(folder / "store"), Silent())


def checksums(_folder: Path, random: Random) -> None:
    sound = b"a" * 64 + b"  kubelet\n" + b"b" * 64 + b" *dir/etcd.tar.gz\n"
    text = mutating.of_lines(sound, random).decode(errors="replace")
    found = published_digest(text, "kubelet", "https://x/sums")
    assert re.fullmatch("sha256:[0-9a-f]{64}", found)


# What hosts say

_RECORDED: Final = tuple(
    (TESTS / "unit/facts/recorded" / name).read_bytes()
    for name in ("server1.txt", "server1-kubectl.txt")
)
_SECTION: Final = re.compile(rb"(#[0-9.]+ [^\n]+\n)")


def facts(_folder: Path, random: Random) -> None:
    """One host's answer, broken in some of its sections; then planned with, and judged."""
    from ..unit.facts.test_parse import ENDED, QUERY, STARTED

    parts = _SECTION.split(random.choice(_RECORDED))
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(0, len(parts), 2)
        encoded = at > 0 and b" answer " in parts[at - 1]
        if not encoded:
            parts[at] = mutating.of_lines(parts[at], random)
            continue
        try:
            body = base64.b64decode(parts[at])
        except ValueError:
            continue  # broken before
        parts[at] = base64.encodebytes(_answer(body, random))
    host = parse("server1", QUERY, b"".join(parts), STARTED, ENDED)
    # The cluster of the host that was recorded.
    wanted = example(random.choice(("reference", "vip"))).model_copy(update={"name": "lead"})
    others = bare(wanted)
    masters = wanted.having(Role.CONTROL_PLANE)
    name = random.choice((*masters, *wanted.hosts))
    told = Facts({**others.hosts, name: dataclasses.replace(host, host=name)})
    _judged(wanted, told)
    planner.plan(View(Desk.of(wanted).site, told))


def _answer(body: bytes, random: Random) -> bytes:
    """HTTP or JSON within it is broken as JSON; the length is put right, so that it is read."""
    head, separator, rest = body.partition(b"\r\n\r\n")
    start = body.find(b"{")
    if random.random() < 0.3 or start < 0:
        return mutating.content(body, random)
    if not separator:
        try:
            return mutating.of_json(json.loads(body), random)
        except ValueError:
            return mutating.of_lines(body, random)
    pieces = re.split(rb"(?=HTTP/1\.1 )", body)
    at = random.randrange(len(pieces))
    head, separator, rest = pieces[at].partition(b"\r\n\r\n")
    try:
        changed = mutating.of_json(json.loads(rest), random)
    except ValueError:
        return mutating.content(body, random)
    head = re.sub(rb"(?i)content-length: *\d+", b"Content-Length: %d" % len(changed), head)
    pieces[at] = head + separator + changed
    return b"".join(pieces)


_FRAMED: Final = b"kanae-facts 1 100.5\n%s#100.5 end 101.5\n"


def probes(_folder: Path, random: Random) -> None:
    """What active probes, tried ports and balancers print."""
    address = IPv4Address("10.0.0.2")
    body = (
        b"#100.5 tcp\n10.0.0.2 450\n#100.5 ping\n10.0.0.2 64 bytes time=0.3 ms\n"
        b"#100.5 writes\n2300 bytes copied, 0.0012 s, 2 MB/s\n#100.5 overlay\nworks\n"
        b"#100.5 vacant\n10.0.0.2 ping\n10.0.0.2 dev eth0 lladdr 00:11:22:33:44:55 REACHABLE\n"
        b"#100.5 opened\n123 6443/tcp\n#100.5 tried\n10.0.0.2 6443 tcp yes\n"
        b"#100.5 readyz\n10.0.0.2 200\n#100.5 haproxy\n"
        b"# pxname,svname,status,check_status\nx,m1,UP,L7OK\n"
    )
    output = _FRAMED % mutating.of_lines(body, random)
    readers: tuple[Callable[[], object], ...] = (
        lambda: parse_probe(
            "m1", ProbeQuery({"m2": (address, 22)}, "/x", "/y", (address,)), output
        ),
        lambda: parse_balancer("m1", BalancerQuery(None, {"m1": address}), output),
        lambda: parse_opened("m1", output),
        lambda: parse_tried("m1", output),
    )
    random.choice(readers)()


class _Keepers:
    def __init__(self, answer: Callable[[], Completed]) -> None:
        self._answer = answer

    async def run_unfenced(self, host: str, script: str, *, timeout: float) -> Completed:
        unquoted(script)
        return self._answer()

    def keep_behind(self, fence: object) -> None: ...

    async def settle(self, run: str, *, grace: float) -> None: ...


def leases(_folder: Path, random: Random) -> None:
    """What hosts say of who holds the lease."""
    line = b"20260101T000000-abcd\njane@desk 0a1b-2c3d 4711 99 1760000000\n"

    def answer() -> Completed:
        status = random.choice((0, 3, 3, 1))
        return Completed(status, mutating.of_lines(line, random), mutating.text(random))

    async def held() -> None:
        async with lease.hold(example("single"), _Keepers(answer), "20260102T000000-ef01"):
            pass

    asyncio.run(held())


# What this machine keeps


def journals(folder: Path, random: Random) -> None:
    with journal.Journal("demo", f"r{random.getrandbits(40):x}") as kept:
        kept.record(RunStarted(1000.0, "r", "demo", 3))
        kept.record(StepStarted(1000.0, "m1/a", "m1", "write files"))
        kept.record(StepEnded(1002.0, "m1/a", "m1", Outcome.CHANGED, 2.0, "an error\nof two"))
        kept.record(StepStarted(1002.0, "m1/b", "m1", "load"))
        kept.record(RunEnded(1004.0, "r", {}))
    lines = kept.path.read_bytes().splitlines()
    at = random.randrange(len(lines))
    lines[at] = mutating.of_json(json.loads(lines[at]), random)
    kept.path.write_bytes(b"\n".join(lines) + b"\n")
    read = [run for path in journal.runs("demo") if (run := journal.read_run(path)) is not None]
    runs_text(read)
    for run in read:
        run_text(run, verbose=True)
        json.dumps(run_data(run))
    kept.path.unlink()


@cache
def _history() -> tuple[bytes, ...]:
    run = good()
    kept = dataclasses.replace(run, requests=run.requests[:60], watch=run.watch[:20])
    fields = (getattr(kept, field.name) for field in dataclasses.fields(kept))
    records: list[Any] = [kept.header]
    for each in fields:
        if isinstance(each, tuple):
            records += each
    return tuple(history.ADAPTER.dump_json(each) for each in records)


def histories(folder: Path, random: Random) -> None:
    """A drill's recorded run, judged and shown."""
    lines = list(_history())
    for _ in range(random.choice((1, 1, 3))):
        at = random.randrange(len(lines)) if random.random() < 0.6 else 0
        try:
            lines[at] = mutating.of_json(json.loads(lines[at]), random)
        except ValueError:
            continue  # broken before
    file = folder / "history.jsonl"
    file.write_bytes(b"\n".join(lines) + random.choice((b"\n", b"\n", b"")))
    read = history.read(file)
    verdict = checker.check(read)
    verdict_text(verdict)
    if random.random() < 0.1:
        page([(read, verdict)])


def recovery_records(folder: Path, random: Random) -> None:
    sound = {
        "run": "r1", "drill": "power-cut", "cluster": "vip", "namespaces": ["ns"], "pid": 7,
        "plan": {"kind": "cut", "hosts": ["m1"], "hold": 30, "process": "", "direction": "both"},
        "started": "99", "prober": "",
    }  # fmt: skip
    (folder / recovery_record.RECORD).write_bytes(mutating.of_json(sound, random))
    recovery_record.running(recovery_record.read(folder))


def lab_records(folder: Path, random: Random) -> None:
    sound = {
        "name": "one", "phase": "up", "boot": "b", "subnet": "10.9.9.0/24",
        "gateway": "10.9.9.254", "bases": {"bookworm": "/base"}, "operator_password": "p",
        "hosts": [{"name": "a", "address": "10.9.9.1", "index": 1, "machine_id": ""}],
    }  # fmt: skip
    lab_record.record_path(folder).write_bytes(mutating.of_json(sound, random))
    lab_record.read(folder)


def kubeconfigs(_folder: Path, random: Random) -> None:
    admin = """apiVersion: v1
clusters: [{name: kubernetes, cluster: {server: "https://10.0.0.1:6443"}}]
contexts: [{name: a@k, context: {cluster: kubernetes, user: a}}]
users: [{name: a, user: {client-certificate-data: QUJD}}]
current-context: a@k
kind: Config
"""
    broken = mutating.content(admin.encode(), random).decode("utf-8", "surrogateescape")
    if random.random() < 0.5:
        ours = kubeconfig.named(broken, "lab")
        kubeconfig.to_text(ours)
    else:
        kubeconfig.to_text(kubeconfig.merged(broken, kubeconfig.named(admin, "lab")))
        kubeconfig.without(broken, "lab")


# Kind -> its reader, and its share of all inputs.
KINDS: Final[Mapping[str, tuple[Reader, int]]] = {
    "spec": (spec, 20), "free text": (free_text, 12), "manifest": (manifest, 6),
    "image archive": (image_archive, 4), "bundle": (a_bundle, 8), "stored index": (stored_index, 4),
    "registry": (registry_answers, 6), "checksums": (checksums, 2), "facts": (facts, 14),
    "probes": (probes, 6), "leases": (leases, 4), "journals": (journals, 5),
    "histories": (histories, 4), "recovery records": (recovery_records, 2),
    "lab records": (lab_records, 1), "kubeconfigs": (kubeconfigs, 4),
}  # fmt: skip
