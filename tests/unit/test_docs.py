"""What the documents claim about the repository is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kanae.cli import VERBS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_architecture_names_every_folder_of_the_package() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    table = set(re.findall(r"^\| `([a-z_/]+)/`", text, re.MULTILINE))
    package = ROOT / "src/kanae"
    found = [*package.glob("*/__init__.py"), *package.glob("drills/*/__init__.py")]
    folders = {str(path.parent.relative_to(package)) for path in found}
    assert table == folders


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_commands_that_are_shown_exist() -> None:
    shown = {
        verb
        for page in PAGES
        for verb in re.findall(r"(?:^    |`)kanae ([a-z][a-z-]*)", page.read_text(), re.MULTILINE)
    }
    assert {"init", "plan", "apply", "status", "reset"} <= shown <= set(VERBS)
