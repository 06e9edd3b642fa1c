"""Delivering binaries and images to four bare lab hosts, and importing them.

The hosts are the three control-plane hosts and the worker of examples/reference.yaml. kanae's own
way is the steps of its plan with their own handlers: send containerd and start it, put one
archive of the images together, send and import it while other programs are sent. By hand, on new
hosts in the same run: tar over ssh to all hosts at once, then image by image an archive of its own,
sent and imported. Needs root.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from figures import Figure, ratio, table
from kanae.artifacts import oci
from kanae.artifacts.archives import Archives
from kanae.artifacts.console import progress
from kanae.artifacts.model import Artifact
from kanae.execute.actions import handlers
from kanae.execute.events import Event, StepEnded
from kanae.execute.journal import Journal, new_run_id
from kanae.execute.scheduler import RunContext, run_plan
from kanae.execute.values import Values
from kanae.operations.artifacts import obtain
from kanae.operations.project import Project
from kanae.operations.survey import arches, survey
from kanae.plan.actions import DeliverBinaries, LoadImages
from kanae.plan.model import Plan, Step
from kanae.resources.artifact import Binary, Image
from kanae.transport.fleet import Fleet
from setting import Setting, setting

# What comes before delivery: folders and packages of the distribution.
BEFORE = ("system", "packages", "binaries")
DELIVERY = ("artifacts", "runtime", "images", "programs")


def only(plan: Plan, hosts: Sequence[str], stages: Sequence[str]) -> Plan:
    """The part of a plan that belongs to these hosts and stages."""
    chosen = [step for step in plan if step.host in hosts and step.stage in stages]
    ids = {step.id for step in chosen}
    return Plan(
        plan.cluster,
        tuple(
            replace(step, needs=tuple(need for need in step.needs if need in ids))
            for step in chosen
        ),
    )


def items(steps: Plan | Sequence[Step]) -> tuple[dict[str, Binary], dict[str, Image]]:
    """Binaries and images that steps deliver, by artifact."""
    binaries: dict[str, Binary] = {}
    images: dict[str, Image] = {}
    for step in steps:
        if isinstance(step.action, DeliverBinaries):
            binaries |= {binary.artifact: binary for binary in step.action.binaries}
        elif isinstance(step.action, LoadImages):
            images |= {image.artifact: image for image in step.action.images}
    return binaries, images


class Bench:
    """kanae, hand: seconds in all. sent, loaded: until the last host had its binaries, and its
    images; by hand the second begins when the first ends. size: MB to one control-plane host.
    """

    def __init__(self, here: Setting) -> None:
        self.here = here
        self.project = Project.open(here.spec)
        self.nodes = self.project.spec.nodes
        self.kanae = Figure("kanae, in all", target=30)
        self.sent, self.loaded = Figure("  binaries"), Figure("  containerd and images")
        self.hand = Figure("by hand, in all")
        self.hand_sent, self.hand_loaded = Figure("  binaries"), Figure("  containerd and images")
        self.size = Figure("sent to a control-plane host: binaries", "MB")
        self.archive = Figure("sent to a control-plane host: image archive", "MB")

    async def round(self, by_hand: bool) -> None:
        async with Fleet(self.project.spec, self.nodes) as fleet:
            facts = await survey(self.project, fleet)
            with progress() as telling:
                artifacts = obtain(self.project, arches(facts), telling)
            whole = self.project.plan(facts, artifacts)
            archives = self.here.folder / f"archives-{time.monotonic_ns()}"

            async def run(part: Plan, emit: Callable[[Event], None] | None = None) -> None:
                values = Values()
                context = RunContext(fleet, values)
                actions = handlers(artifacts, Archives(archives))
                with Journal(self.project.spec.name, new_run_id(), values.redactor) as journal:
                    result = await run_plan(part, actions, context, journal=journal, emit=emit)
                result.raise_failed(values.redactor)

            await run(only(whole, self.nodes, BEFORE))
            delivery = only(whole, self.nodes, DELIVERY)
            if by_hand:
                begin = time.perf_counter()
                await asyncio.to_thread(self._send_by_hand, delivery, artifacts)
                sent = time.perf_counter()
                await run(only(whole, self.nodes, ("runtime",)))
                await asyncio.to_thread(self._load_by_hand, delivery, artifacts)
                end = time.perf_counter()
                self.hand.add(end - begin)
                self.hand_sent.add(sent - begin)
                self.hand_loaded.add(end - sent)
                return
            ends: dict[str, float] = {}

            def note(event: Event) -> None:
                if isinstance(event, StepEnded):
                    ends[event.step.split("/")[1]] = time.perf_counter()

            begin = time.perf_counter()
            await run(delivery, note)
            self.kanae.add(max(ends["images"], ends["programs"]) - begin)
            self.sent.add(ends["programs"] - begin)
            self.loaded.add(ends["images"] - begin)
            self._sizes(delivery, archives)

    def _sizes(self, delivery: Plan, archives: Path) -> None:
        master = [step for step in delivery if step.host == self.nodes[0]]
        binaries, _ = items(master)
        self.size.add(sum(binary.size for binary in binaries.values()) / 1e6)
        self.archive.add(max(path.stat().st_size for path in archives.glob("*.tar")) / 1e6)

    def _send_by_hand(self, delivery: Plan, artifacts: Mapping[str, Artifact]) -> None:
        archive = self.here.folder / "binaries.tar"
        with tarfile.open(archive, "w") as tar:
            for binary in items(delivery)[0].values():
                tar.add(artifacts[binary.artifact].path, binary.path.lstrip("/"))
        self._everywhere(self.nodes, "tar -x -C /", archive)

    def _load_by_hand(self, delivery: Plan, artifacts: Mapping[str, Artifact]) -> None:
        for image in items(delivery)[1].values():
            wanted = [
                step.host
                for step in delivery
                if step.host is not None
                and isinstance(step.action, LoadImages)
                and image in step.action.images
            ]
            archive = self.here.folder / "image.tar"
            oci.write_archive([artifacts[image.artifact]], archive)
            command = (
                "cat >/tmp/image.tar && ctr -n k8s.io images import /tmp/image.tar >/dev/null 2>&1"
            )
            self._everywhere(wanted, command, archive)

    def _everywhere(self, hosts: Sequence[str], command: str, archive: Path) -> None:
        def ssh(host: str) -> None:
            with archive.open("rb") as stream:
                subprocess.run(
                    ["ssh", "-F", self.here.ssh_config, host, command], stdin=stream, check=True
                )

        with ThreadPoolExecutor(len(hosts)) as pool:
            list(pool.map(ssh, hosts))

    def figures(self) -> list[Figure]:
        found = [self.kanae, self.sent, self.loaded, self.hand, self.hand_sent, self.hand_loaded]
        if self.hand.values:
            found.append(ratio(self.kanae, self.hand))
        return [*found, self.size, self.archive]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--by-hand", action="store_true", help="also the way by hand")
    parser.add_argument("--subnet", default="10.79.3", help="of the lab (default 10.79.3)")
    arguments = parser.parse_args()
    with setting("reference", "bench-delivery", arguments.subnet) as here:
        bench = Bench(here)
        for _ in range(arguments.rounds):
            for by_hand in (False, True) if arguments.by_hand else (False,):
                here.lab("up")
                asyncio.run(bench.round(by_hand))
                here.lab("down")
        print(table(bench.figures()))


if __name__ == "__main__":
    main()
