"""The wheel is the package and its data; the source distribution builds it, and holds all that the tests need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("setuptools", "77.0.3")

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("posteriors", "dp", "bandits", "benchmarks")
BESIDE = {
    *("CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "Makefile", "README.md"),
    *("pyproject.toml", "requirements.lock", ".python-version", ".ci/run"),
}
AT_THE_ROOT = {"__init__.py", "__main__.py", "py.typed"}
DATA = {
    "benchmarks/claims/large_votes.toml",
    "benchmarks/claims/synthetic.toml",
    "benchmarks/claims/votes.toml",
    "benchmarks/comparison/built_in.toml",
    "benchmarks/speed/dense_baseline.c",
    "benchmarks/stress/built_in.toml",
    "benchmarks/studies/built_in.toml",
    "benchmarks/studies/headroom.toml",
}


def files_of(*folders: str) -> set[str]:
    """Files in folders of the repository, without what tools leave there."""
    paths = [path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    return {path.as_posix() for path in paths if not any(part.startswith((".", "__pycache__")) for part in path.parts)}


def build(kind: str, source: Path, target: Path) -> Path:
    """Build without network, as ``pip wheel --no-build-isolation`` does."""
    code = f"import sys; from setuptools import build_meta; print(build_meta.build_{kind}(sys.argv[1]))"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(target)], cwd=source, env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The source distribution of a copy of this repository, unpacked."""
    folder = tmp_path_factory.mktemp("distribution")
    leftovers = shutil.ignore_patterns(".*", "build", "dist", "runs", "*.egg-info", "__pycache__")
    copy = shutil.copytree(ROOT, folder / "copy", ignore=leftovers)
    for name in (".ci", ".python-version"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, copy / name)
    with tarfile.open(build("sdist", copy, folder)) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (found,) = (folder / "unpacked").iterdir()
    return found


def test_source_distribution_holds_all_that_builds_and_tests_the_package(unpacked):
    made = {"PKG-INFO", "setup.cfg"}
    found = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    found = {name for name in found if not name.startswith("seqaudit.egg-info/")}
    assert found == made | BESIDE | AT_THE_ROOT | files_of(*FLOORS, "tests", "docs")
    assert os.access(unpacked / ".ci" / "run", os.X_OK)


def test_wheel_built_from_the_source_distribution_is_the_package_and_its_data(unpacked, tmp_path):
    wheel = build("wheel", unpacked, tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        about = {name for name in names if ".dist-info/" in name}
        assert names - about == {f"seqaudit/{name}" for name in AT_THE_ROOT | files_of(*FLOORS)}
        assert {f"seqaudit/{name}" for name in DATA} == {
            name for name in names - about if not name.endswith((".py", "py.typed"))
        }
        (entries,) = (archive.read(name).decode() for name in about if name.endswith("entry_points.txt"))
    assert entries.split() == ["[console_scripts]", "seqaudit", "=", "seqaudit.__main__:run"]
