"""The store of a run: what it keeps, what it refuses, and what faults of files, disks and processes cost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqaudit.benchmarks.runner.store import Cell, Store, StoreError, stores_closed
from seqaudit.dp.machine.seal import digest

CELLS = [Cell(f"cell {k}", f'{{"k": {k}}}', ".json", bytes([k]) * 5000) for k in range(40)]


def refusal(path: Path) -> str:
    with pytest.raises(StoreError) as caught:
        Store(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def cells_or_refusal(path: Path) -> int | str:
    """Number of cells of the store ``path`` that are passed on, each as it was written; or the refusal."""
    try:
        with closing(Store(path)) as store:
            found = [store.read(cell.key)[0] for cell in CELLS]
    except StoreError as error:
        return str(error)
    assert all(x in (None, cell) for x, cell in zip(found, CELLS, strict=True))
    return 40 - found.count(None)


def changed(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute(statement)


@pytest.fixture
def path(tmp_path):
    """A store with 40 cells of some size."""
    path = tmp_path / "run.sqlite"
    with closing(Store(path)) as store:
        for cell in CELLS:
            store.write(cell)
    return path


SECONDS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(*[st.text()] * 4, st.binary(), st.none() | st.text(), SECONDS)
def test_cell_is_read_as_it_was_written(name, inputs, form, status, result, seed, seconds):
    cell = Cell(name, inputs, form, result, seed, status, '{"numpy": "2"}', seconds)
    with TemporaryDirectory() as folder, closing(Store(Path(folder, "run.sqlite"))) as store:
        assert store.read(cell.key) == (None, False)
        store.write(cell)
        assert store.read(cell.key) == (cell, False)
        store.write(cell._replace(result=b"other"))
        assert store.read(cell.key) == (cell._replace(result=b"other"), False)
        assert store.names() == [name]


def test_store_is_one_file_when_it_is_closed(path):
    assert [x.name for x in path.parent.iterdir()] == ["run.sqlite"]
    with closing(Store(path)) as store:
        assert store.names() == [f"cell {k}" for k in range(40)]
        assert store.read(CELLS[7].key)[0].result == bytes([7]) * 5000


def test_stores_that_are_opened_meanwhile_are_closed_and_no_others(path, tmp_path):
    mine = Store(path)
    with suppress(KeyError), stores_closed():
        other = Store(tmp_path / "other.sqlite")
        other.named("gone")
    assert len(mine.names()) == 40
    with pytest.raises(StoreError, match=r"other\.sqlite: .*closed"):
        other.names()
    mine.close()


def test_store_is_closed_when_nothing_holds_it(path):
    store = Store(path)
    store.write(Cell("a", "{}", ".json", b""))
    assert len([*path.parent.iterdir()]) == 3
    del store
    assert [x.name for x in path.parent.iterdir()] == ["run.sqlite"]


@pytest.mark.parametrize("content", [b"a,b\n1,2\n" * 100, b"SQLite format 3\0", b"SQLite format 3\0" + bytes(5000)])
def test_file_that_is_no_store_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "run.sqlite"
    path.write_bytes(content)
    assert "remove it, and what it held is computed again" in refusal(path)
    assert path.read_bytes() == content
    assert len([*tmp_path.iterdir()]) == 1


def test_database_of_another_program_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "run.sqlite"
    changed(path, "CREATE TABLE songs (title TEXT)")
    before = path.read_bytes()
    assert refusal(path).endswith("is a database of another program; give another folder")
    assert path.read_bytes() == before
    with closing(sqlite3.connect(path)) as store:
        assert store.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]


def test_store_of_another_form_is_refused(path):
    changed(path, "PRAGMA user_version = 2")
    before = path.read_bytes()
    assert "has form 2, and this version of seqaudit reads form 1; finish the run with the version" in refusal(path)
    assert path.read_bytes() == before
    changed(path, "PRAGMA user_version = 1")
    with closing(Store(path)) as store:
        assert len(store.names()) == 40


@pytest.mark.parametrize("column", ["name", "inputs", "versions"])
def test_text_that_cannot_be_read_costs_its_cell_and_no_more(path, column):
    changed(path, f"UPDATE cells SET {column} = CAST(x'ff' AS TEXT) WHERE name = 'cell 7'")
    assert cells_or_refusal(path) == 39


@pytest.mark.parametrize("folder", ["file:run", "file:run?mode=memory&x=y", "file:run?cache=private", "file:notes#1"])
@pytest.mark.skipif(os.name == "nt", reason="names of files may not hold these characters")
def test_folder_that_looks_like_an_address_holds_its_store(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    Path(folder).mkdir()
    Path("run").mkdir()
    with closing(Store(Path(folder, "run.sqlite"))) as store:
        store.write(CELLS[0])
    assert [x.relative_to(tmp_path).as_posix() for x in tmp_path.rglob("*") if x.is_file()] == [f"{folder}/run.sqlite"]


def test_empty_file_becomes_a_store(tmp_path):
    path = tmp_path / "run.sqlite"
    path.touch()
    with closing(Store(path)) as store:
        assert store.names() == []


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
@pytest.mark.skipif(os.name == "nt", reason="links need a right that users do not have, and there are no pipes")
def test_what_is_no_plain_file_is_refused_and_left_alone(path, kind, suffix):
    place = Path(f"{path}{suffix}")
    place.unlink(missing_ok=True)
    precious = path.parent / "precious"
    precious.write_text("years of work")
    if kind == "folder":
        place.mkdir()
    elif kind == "link":
        place.symlink_to(precious)
    else:
        os.mkfifo(place)
    assert f"{place} is not a plain file, so the run cannot be taken up; remove it" in refusal(path)
    assert precious.read_text() == "years of work"


@pytest.mark.parametrize("length", [0.1, 0.5, 0.9, 0.999])
def test_truncated_store_is_named_or_costs_cells_and_no_more(path, length):
    content = path.read_bytes()
    path.write_bytes(content[: int(length * len(content))])
    found = cells_or_refusal(path)
    assert found == f"{path}: damaged; remove it, and what it held is computed again" or found < 40


def test_flipped_bytes_never_give_another_result(path):
    import numpy as np

    content, rng, passed = path.read_bytes(), np.random.default_rng(5), 0
    for place in [*range(0, 100, 7), *rng.integers(0, len(content), 150).tolist()]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        found = cells_or_refusal(path)
        if isinstance(found, str):
            assert found.startswith(str(path))
            assert "\n" not in found
        else:
            passed += found
    assert passed > 1000


FILLED = """
import resource, sys
from pathlib import Path
from seqaudit.benchmarks.runner.store import Cell, Store
path, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
written = 0
try:
    store = Store(path)
    for k in range(100):
        store.write(Cell(f"cell {k}", f"{k}", ".json", bytes([k]) * 3000))
        written += 1
except OSError as error:
    print(error)
print(written)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
@pytest.mark.parametrize("limit", [1, 4096, 5000, 9000, 33000, 60000, 150000])
def test_full_disk_is_one_line_and_loses_no_cell_that_was_written(tmp_path, limit):
    path = tmp_path / "run.sqlite"
    done = subprocess.run([sys.executable, "-c", FILLED, path, str(limit)], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    told, written = done.stdout.splitlines()
    assert told.startswith("[Errno ")
    assert str(path) in told
    with closing(Store(path)) as store:
        names = store.names()
        assert names[: int(written)] == [f"cell {k}" for k in range(int(written))]
        assert [store.read(digest(name.split()[1].encode()))[0].result for name in names] == [
            bytes([k]) * 3000 for k in range(len(names))
        ]


KILLED = """
import os, signal, sys
from pathlib import Path
from seqaudit.benchmarks.runner.store import Cell, Store
store = Store(Path(sys.argv[1]))
for k in range(10**6):
    store.write(Cell(f"cell {k}", f"{k}", ".json", bytes([k % 256]) * 3000))
    if k % 20 == 0:
        print(k, flush=True)
"""


@pytest.mark.parametrize("cells", [0, 40, 400])
def test_killed_writer_loses_no_cell_that_was_written(tmp_path, cells):
    path = tmp_path / "run.sqlite"
    with subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True) as process:
        told = 0
        for line in process.stdout:
            told = int(line)
            if told >= cells:
                break
        process.kill()
    with closing(Store(path)) as store:
        names = store.names()
        assert names == [f"cell {k}" for k in range(len(names))]
        assert len(names) > told
        assert all(store.read(digest(f"{k}".encode()))[0].result == bytes([k % 256]) * 3000 for k in range(len(names)))
    assert [x.name for x in tmp_path.iterdir()] == ["run.sqlite"]


def test_many_processes_write_in_one_store(tmp_path):
    path = tmp_path / "run.sqlite"
    code = KILLED.replace("10**6", "60")
    processes = [subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    with closing(Store(path)) as store:
        assert sorted(store.names()) == sorted(f"cell {k}" for k in range(60))


def test_many_threads_make_one_store(tmp_path):
    start, faults = threading.Barrier(8), []

    def work(k: int) -> None:
        start.wait()
        try:
            with closing(Store(tmp_path / "run.sqlite")) as store:
                store.write(Cell(f"{k}", f"{k}", ".json", b""))
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with closing(Store(tmp_path / "run.sqlite")) as store:
        assert sorted(store.names()) == [f"{k}" for k in range(8)]


def test_store_that_another_process_holds_is_named(path, monkeypatch):
    monkeypatch.setattr("seqaudit.benchmarks.runner.store._SECONDS_TO_WAIT", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert refusal(path).endswith("is being written by another process; wait until it has ended")


@pytest.mark.parametrize("content", [b"h", b"SQLite format 3\0", b"x" * 99])
def test_short_file_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "run.sqlite"
    path.write_bytes(content)
    assert refusal(path).endswith("not a store; remove it, and what it held is computed again")
    assert path.read_bytes() == content


@pytest.mark.parametrize("seconds", [3, float("nan"), float("inf"), "1"])
def test_seconds_that_would_not_be_read_as_they_are_written_are_refused(path, seconds):
    with closing(Store(path)) as store, pytest.raises(ValueError, match="seconds of cell 'late' is"):
        store.write(Cell("late", "{}", ".json", b"", seconds=seconds))


def test_store_in_a_folder_that_cannot_be_written_is_a_fault_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.sqlite"):
        Store(tmp_path / "gone" / "run.sqlite")
