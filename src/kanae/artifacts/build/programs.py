"""Programs from Go modules and from C, the same bytes for the same pins and toolchain."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path

from kanae.artifacts.build.machine import go_env, go_program, need_packages, run
from kanae.artifacts.catalogue import Build
from kanae.artifacts.progress import Progress, Task
from kanae.environment import inherited
from kanae.errors import ArtifactError, MachineUnfit

# Go's name of a CPU -> the prefix of its GNU tools on Debian.
GNU = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def build(
    recipe: Build, arch: str, names: Collection[str], folder: Path, progress: Progress
) -> dict[str, Path]:
    """Build these programs of a component into `folder`; returns name -> executable.

    One go command builds them all, so that what they share is compiled once.
    """
    if recipe.c_source:
        return _build_c(recipe, arch, names, folder, progress)
    return _build_go(recipe, arch, names, folder, progress)


def go_directive(recipe: Build) -> str:
    """The Go version that the recipe's go.mod asks for."""
    text = (files("kanae.artifacts") / "gomod" / recipe.gomod / "go.mod").read_text()
    found = re.search(r"^go (\S+)", text, re.MULTILINE)
    if found is None:
        raise ArtifactError(f"gomod/{recipe.gomod}/go.mod has no go line")
    return found[1]


def _build_go(
    recipe: Build, arch: str, names: Collection[str], folder: Path, progress: Progress
) -> dict[str, Path]:
    go = go_program(go_directive(recipe), progress)
    env = go_env() | {"GOARCH": arch, "CGO_ENABLED": "1" if recipe.cgo else "0"}
    if recipe.cgo:
        need_packages(recipe.packages, progress)
        env |= {"CC": _compiler(arch, recipe.component), "CGO_CFLAGS": "-O2", "CGO_LDFLAGS": ""}
        env |= {"PKG_CONFIG_LIBDIR": f"/usr/lib/{GNU[arch]}/pkgconfig:/usr/share/pkgconfig"}
    # A copy: the package's own folder may be read-only, and a go.mod must not lie in one's way.
    source, output = folder / "source", folder / "output"
    with as_file(files("kanae.artifacts") / "gomod" / recipe.gomod) as pins:
        shutil.copytree(pins, source)
    output.mkdir()
    packages = {name: recipe.programs[name] for name in sorted(names)}
    linker = " ".join(
        ["-s", "-w", *(f"-X {name}={value}" for name, value in sorted(recipe.variables.items()))]
    )
    if recipe.static and recipe.cgo:
        linker += ' -extldflags "-static"'
    flags = ["-ldflags", linker]
    if recipe.tags:
        flags += ["-tags", ",".join(recipe.tags)]
    what = f"{recipe.component} {recipe.version} {arch}"
    run_go = partial(_run_go, env=env, source=source, what=what)
    with ExitStack() as stack:
        fetching: list[Task] = []

        def fetched(line: str) -> None:
            if line.startswith("go: downloading"):
                if not fetching:
                    label = f"fetching Go modules of {what}"
                    fetching.append(stack.enter_context(progress.task(label, unit="modules")))
                fetching[0].advance(1)

        # One dot a package that is not in Go's build cache: what there is to do.
        dots = "{{if .Stale}}.{{end}}"
        stale = run_go([go, "list", "-deps", "-f", dots, *flags, *packages.values()], fetched)
    with progress.task(f"building {what}", unit="packages") as task:
        task.total(stale.count("."))
        # With -v go names each package that it compiles, alone on a line.
        run_go(
            [go, "build", "-v", *flags, "-o", f"{output}/", *packages.values()],
            lambda line: task.advance(1) if " " not in line else None,
        )
    return {name: output / output_name(package) for name, package in packages.items()}


def _run_go(
    command: Sequence[str],
    on_line: Callable[[str], None],
    *,
    env: Mapping[str, str],
    source: Path,
    what: str,
) -> str:
    """Run go; on_line gets each line of its standard error. Returns its standard output."""
    said: list[str] = []
    with (
        tempfile.TemporaryFile("w+", dir=source.parent) as output,
        subprocess.Popen(
            command, env=env, cwd=source, stdout=output, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        try:
            for line in process.stderr or ():
                said.append(line.rstrip())
                on_line(line.rstrip())
        except BaseException:
            process.terminate()
            raise
        process.wait()
        output.seek(0)
        answer = output.read()
    if process.returncode != 0:
        end = "\n".join(f"    {line}" for line in said if " " in line or line.startswith("#"))
        raise ArtifactError(
            f"building {what}: go {command[1]} ended with status {process.returncode}\n"
            f"{end[-3000:]}",
            remedy="see go's last lines above; modules come through GOPROXY, which must be "
            "reachable unless all are in the module cache",
        )
    return answer


def output_name(package: str) -> str:
    """What `go build -o DIR/` calls the program of a package: /v2 and the like do not count."""
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v[2-9]\d*", parts[-1]) else parts[-1]


def _compiler(arch: str, component: str) -> str:
    """A C compiler for this CPU: plain gcc on the same one, Debian's cross gcc otherwise."""
    if MACHINES.get(platform.machine()) == arch:
        return "gcc"
    cross = f"{GNU[arch]}-gcc"
    if shutil.which(cross) is None:
        raise MachineUnfit(
            f"{component} for {arch} contains C, and this machine has no {cross}",
            remedy=f"install it (on Debian: apt-get install gcc-{GNU[arch].replace('_', '-')} and "
            f"the {arch} libraries), or take {component} from upstream, a mirror or a bundle",
        )
    return cross


def _build_c(
    recipe: Build, arch: str, names: Collection[str], folder: Path, progress: Progress
) -> dict[str, Path]:
    compiler = _compiler(arch, recipe.component)
    if compiler == "gcc":
        need_packages(recipe.packages, progress)
    built: dict[str, Path] = {}
    for name in names:
        built[name] = folder / name
        source = files("kanae.artifacts") / "data" / recipe.programs[name]
        with as_file(source) as file:
            run(
                [compiler, "-Os", "-static", "-s", "-Wl,--build-id=none",
                 f'-DVERSION="{recipe.version}"', "-o", str(built[name]), str(file)],
                env=inherited() | {"LC_ALL": "C"},
                what=f"building {name}",
            )  # fmt: skip
    return built
