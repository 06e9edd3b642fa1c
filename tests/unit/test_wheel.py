"""The wheel that people install from holds all that the package needs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# From a folder without the source, as it is when installed.
STARTS = (
    "import kanae; assert {place!r} in kanae.__file__, kanae.__file__;"
    "from kanae.artifacts import catalogue; assert catalogue.load().versions();"
    "from kanae.drills.judging import thresholds; assert thresholds.load();"
    "from kanae.cli import main; main(['init', 'made.yaml'])"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (made,) = folder.glob("kanae-*.whl")
    return made


def test_every_file_of_the_package_is_in_it(wheel: Path) -> None:
    source = ROOT / "src"
    files = (path for path in source.glob("kanae/**/*") if path.is_file())
    wanted = {str(p.relative_to(source)) for p in files if "__pycache__" not in p.parts}
    assert any(not name.endswith(".py") for name in wanted)
    with zipfile.ZipFile(wheel) as archive:
        assert wanted <= set(archive.namelist())


def test_it_works_without_the_source(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    program = f"import sys; sys.path.insert(0, {str(place)!r});" + STARTS.format(place=str(place))
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made.yaml").exists()
