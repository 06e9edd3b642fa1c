"""Imports only point left: spec -> facts -> plan -> execution -> verification -> report."""

from __future__ import annotations

import ast
from pathlib import Path

import kanae

SOURCE = Path(kanae.__file__).parent

# Left to right. A module may import from its own package and from packages further left.
ORDER = (
    "errors",
    "paths",
    "layout",
    "spec",
    "artifacts",
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
# Planning and scripts do no I/O: nothing of these may be imported, directly or by name.
PURE = ("spec/models.py", "resources", "render", "plan", "execute/scripts")
IMPURE = {
    "asyncio",
    "asyncssh",
    "subprocess",
    "socket",
    "httpx2",
    "kanae.transport",
    "kanae.artifacts.store",
}


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


def test_planning_and_scripts_do_no_io() -> None:
    wrong: list[str] = []
    for part in PURE:
        root = SOURCE / part
        for path in [root] if root.suffix else root.rglob("*.py"):
            wrong += [
                f"{path.relative_to(SOURCE)} imports {name}"
                for name in _imports(path)
                if any(name == bad or name.startswith(bad + ".") for bad in IMPURE)
            ]
    assert not wrong, "\n".join(wrong)
