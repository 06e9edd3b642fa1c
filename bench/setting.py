"""A spec with lab hosts of its own, and the kanae command that works on them, for benches."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kanae import paths

EXAMPLES = Path(__file__).parent.parent / "examples"


@dataclass(frozen=True, slots=True)
class Setting:
    """spec: the file that kanae is given. folder: temporary, for what a bench writes."""

    name: str
    spec: Path
    folder: Path

    def kanae(self, verb: str, *words: str, spec: Path | None = None) -> float:
        """Run `kanae VERB SPEC WORDS` as an operator would; wall seconds, interpreter included.

        spec: instead of this setting's own.
        """
        return command(verb, str(spec or self.spec), *words)

    def lab(self, verb: Literal["up", "down"]) -> float:
        subject = [str(self.spec)] if verb == "up" else [self.name, "--yes"]
        return command("lab", verb, *subject)

    def power(self, verb: str, host: str, *words: str) -> float:
        """`kanae lab power-...` of one host."""
        return command("lab", f"power-{verb}", host, *words, "--lab", self.name)

    @property
    def ssh_config(self) -> Path:
        return paths.lab_dir(self.name) / "ssh_config"


def command(*words: str) -> float:
    """`kanae WORDS`; wall seconds, interpreter included."""
    return timed([sys.executable, "-m", "kanae", *words])


def timed(argv: list[str]) -> float:
    """Wall seconds of a program; when it fails, its output and then the end of the bench."""
    begin = time.perf_counter()
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begin
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        raise SystemExit(f"{' '.join(argv)} ended with {done.returncode}")
    return seconds


@contextlib.contextmanager
def setting(
    example: str | Path, name: str, subnet: str, *, keep: bool = False, forget: bool = True
) -> Generator[Setting, None, None]:
    """An example, or a spec of a bench's own, under another name and subnet, its artifacts built;
    the lab is taken down at the end unless `keep`. subnet: the first three numbers, as in 10.79.1.
    forget: also delete what kanae keeps of the cluster on this machine, as histories of drills.
    """
    text = (EXAMPLES / f"{example}.yaml" if isinstance(example, str) else example).read_text()
    text = re.sub(r"^name: .*$", f"name: {name}", text, flags=re.MULTILINE)
    text = re.sub(r"\b10\.77\.\d+\.(\d+)\b", rf"{subnet}.\1", text)
    if not re.search(r"^artifacts:", text, flags=re.MULTILINE):
        text += "artifacts: {source: build}\n"
    folder = Path(tempfile.mkdtemp(prefix="kanae-bench-"))
    spec = folder / "cluster.yaml"
    spec.write_text(text)
    here = Setting(name, spec, folder)
    try:
        yield here
    finally:
        if not keep and here.ssh_config.exists():
            here.lab("down")
        shutil.rmtree(folder)
        if forget:
            shutil.rmtree(paths.cluster_dir(name), ignore_errors=True)
