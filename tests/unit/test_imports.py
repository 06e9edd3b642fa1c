"""Imports only point left: spec -> facts -> plan -> execution -> verification -> report."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import kanae

SOURCE = Path(kanae.__file__).parent

# Left to right. A module may import from its own package and from packages further left.
ORDER = (
    "shown",
    "errors",
    "environment",
    "paths",
    "layout",
    "spec",
    "artifacts",
    "backup",
    "lab",
    "transport",
    "facts",
    "resources",
    "render",
    "plan",
    "execute",
    "verify",
    "drills",
    "operations",
    "report",
    "cli",
)
# Within drills/, likewise.
DRILLS = (
    "children",
    "records",
    "probing",
    "judging",
    "cluster",
    "faults",
    "scenarios",
    "launching",
    "running",
)
# The prober is shipped alone, and a verdict follows from a history alone.
ALONE = {
    "probing": {"kanae.drills.records"},
    "judging": {"kanae.drills.records", "kanae.errors"},
}
# Planning and the scripts for hosts do no I/O: nothing of these may be reached from there, through
# any number of imports.
PURE = ("spec.models", "layout", "resources", "render", "plan", "execute.scripts")
IMPURE = frozenset(
    {
        "asyncio",
        "asyncssh",
        "http",
        "httpx2",
        "requests",
        "shutil",
        "signal",
        "socket",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "urllib",
    }
)


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def _package(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def test_every_package_has_its_place() -> None:
    packages = {_package(path) for path in SOURCE.rglob("*.py")} - {"__init__", "__main__"}
    assert packages <= set(ORDER)


def test_imports_only_point_left() -> None:
    wrong: list[str] = []
    for path in SOURCE.rglob("*.py"):
        here = _package(path)
        if here in {"__init__", "__main__"}:
            continue
        for name in _imports(path):
            parts = name.split(".")
            if (
                parts[0] == "kanae"
                and len(parts) > 1
                and parts[1] in ORDER
                and ORDER.index(parts[1]) > ORDER.index(here)
            ):
                wrong.append(f"{path.relative_to(SOURCE)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_imports_within_drills_only_point_left() -> None:
    root = SOURCE / "drills"
    wrong: list[str] = []
    for path in root.rglob("*.py"):
        here = path.relative_to(root).parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        for name in _imports(path):
            if name.startswith("kanae.drills."):
                there = name.split(".")[2]
                if DRILLS.index(there) > DRILLS.index(here):
                    wrong.append(f"{path.relative_to(SOURCE)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_the_prober_and_the_judge_depend_on_nothing_else() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)} imports {name}"
        for package, allowed in ALONE.items()
        for path in (SOURCE / "drills" / package).rglob("*.py")
        for name in _imports(path)
        if name.startswith("kanae.")
        and name.split(".")[:3] != ["kanae", "drills", package]
        and name not in allowed
    ]
    assert not wrong, "\n".join(wrong)


def _modules() -> dict[str, Path]:
    """By name, as in kanae.plan.model; packages by that of their __init__."""
    found: dict[str, Path] = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _reached(modules: dict[str, Path], roots: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Whatever is imported from the roots on, of kanae and others -> the way to it."""
    ways: dict[str, tuple[str, ...]] = {root: (root,) for root in roots}
    todo = list(ways)
    while todo:
        here = todo.pop()
        for name in _names(modules[here]):
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                part = ".".join(parts[:end])
                if part in ways or (parts[0] == "kanae" and part not in modules):
                    continue
                ways[part] = (*ways[here], part)
                if part in modules:
                    todo.append(part)
    return ways


def _names(path: Path) -> set[str]:
    """What a module imports; of `from a import b` also a.b, which may be a module."""
    found = _imports(path)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _begun(modules: Iterable[str]) -> list[str]:
    roots = [f"kanae.{part}" for part in PURE]
    return [name for name in modules if any(f"{name}.".startswith(f"{r}.") for r in roots)]


def test_planning_and_scripts_do_no_io() -> None:
    modules = _modules()
    ways = _reached(modules, _begun(modules))
    wrong = [" -> ".join(way) for name, way in ways.items() if name in IMPURE]
    assert not wrong, "\n".join(sorted(wrong))


def test_an_import_is_followed_through_others(tmp_path: Path) -> None:
    """As planning once reached the artifact store by way of a value that it needed."""
    texts = {
        "kanae": "",
        "kanae.plan": "",
        "kanae.plan.view": "from kanae.artifacts.named import LocalArchive",
        "kanae.artifacts": "",
        "kanae.artifacts.named": "from kanae.artifacts import store",
        "kanae.artifacts.store": "def verify():\n    import socket",
    }
    modules = {name: tmp_path / name for name in texts}
    for name, text in texts.items():
        modules[name].write_text(text)
    way = _reached(modules, _begun(modules))["socket"]
    assert way[-4:] == (
        "kanae.plan.view",
        "kanae.artifacts.named",
        "kanae.artifacts.store",
        "socket",
    )
