"""Files and folders that appear whole or not at all: full disks, several writers, links, modes, and other systems."""

from __future__ import annotations

import errno
import os
import threading

import numpy as np
import pytest
from oracles.faults import each_failure

import seqaudit as sa
from seqaudit.dp.machine import files
from seqaudit.dp.machine.files import append_line, sweep, write_new, write_new_folder, write_whole


@pytest.fixture(params=["locks", "no locks here", "a system without locks"])
def system(request, monkeypatch):
    """A system that locks files, one where a disk of the network does not, and one like Windows."""

    def refused(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    if request.param == "no locks here":
        monkeypatch.setattr(files.fcntl, "flock", refused)
    elif request.param == "a system without locks":
        monkeypatch.setattr(files, "fcntl", None)


def fill(folder):
    for name in ("a", "b"):
        np.save(folder / f"{name}.npy", np.arange(3))
    write_whole(folder / "c.json", "{}")


def names(folder):
    return {x.name for x in folder.iterdir()}


@pytest.mark.usefixtures("system")
def test_files_and_folders_are_written_on_every_system(tmp_path):
    write_whole(tmp_path / "a", "one")
    write_whole(tmp_path / "a", b"two")
    assert write_new(tmp_path / "b", "one")
    assert not write_new(tmp_path / "b", "two")
    write_new_folder(tmp_path / "deep" / "c", fill)
    with pytest.raises(ValueError, match=r"c exists; give the path of a new folder"):
        write_new_folder(tmp_path / "deep" / "c", fill)
    sweep(tmp_path)
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("two", "one")
    assert names(tmp_path) == {"a", "b", "deep"}
    assert (names(tmp_path / "deep"), names(tmp_path / "deep" / "c")) == ({"c"}, {"a.npy", "b.npy", "c.json"})


@pytest.mark.parametrize("write", [write_whole, write_new, write_new_folder, append_line])
def test_failure_of_any_call_names_the_target_and_leaves_nothing_new(tmp_path, write):
    told = []
    for k, error in each_failure(lambda k: write(tmp_path / f"{k}", fill if write is write_new_folder else "text")):
        if error is None:
            assert (tmp_path / f"{k}").exists()
        else:
            told.append(str(error))
            assert str(error) == f"[Errno {errno.ENOSPC}] No space left on device: '{tmp_path / str(k)}'"
            # A line that was cut short is all that may stay.
            assert not (tmp_path / f"{k}").exists() or write is append_line
        assert not any(name.startswith(".") for name in names(tmp_path))
    assert len(told) >= 3


def test_failed_saving_of_a_policy_leaves_nothing(tmp_path):
    solution = sa.solve(sa.Problem([0.5, 0.6], 4), keep_policy=True)
    for k, error in each_failure(lambda k: solution.save(tmp_path / f"{k}")):
        assert names(tmp_path) == (set() if error else {f"{k}"}) | {x for x in names(tmp_path) if int(x) < k}
        if error is None:
            assert sa.load_policy(tmp_path / f"{k}").value == solution.value


def test_writers_of_one_file_do_not_meet(tmp_path):
    texts, start, errors = [str(k) * 10_000 for k in range(8)], threading.Barrier(8), []

    def work(text: str) -> None:
        start.wait()
        try:
            for _ in range(5):
                write_whole(tmp_path / "a", text)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (tmp_path / "a").read_text() in texts
    assert names(tmp_path) == {"a"}


def test_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
    write_whole(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "file").read_text() == "text"


def test_disk_without_links_takes_new_files_too(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    assert write_new(tmp_path / "a", "one")
    assert not write_new(tmp_path / "a", "two")
    assert ((tmp_path / "a").read_text(), names(tmp_path)) == ("one", {"a"})


def test_line_after_one_that_was_cut_short_stands_alone(tmp_path):
    append_line(tmp_path / "a", "one")
    with (tmp_path / "a").open("a") as file:
        file.write("tw")
    append_line(tmp_path / "a", "three")
    append_line(tmp_path / "a", "four")
    assert (tmp_path / "a").read_text() == "one\ntw\nthree\nfour\n"


def test_name_of_the_greatest_length_can_be_written(tmp_path):
    write_whole(tmp_path / ("a" * 255), "text")
    assert names(tmp_path) == {"a" * 255}


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_modes_are_those_of_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "a", "text")
        write_new(tmp_path / "b", "text")
        append_line(tmp_path / "c", "text")
    finally:
        os.umask(before)
    assert {x.stat().st_mode & 0o777 for x in tmp_path.iterdir()} == {0o666 & ~umask}


def test_sweep_removes_what_nobody_holds_and_nothing_else(tmp_path):
    (tmp_path / ".seqaudit-0123.part").write_text("half")
    (tmp_path / ".seqaudit-4567.part").mkdir()
    (tmp_path / ".seqaudit-4567.part" / "actions.npy").write_text("half")
    for other in (".seqaudit-notes", "table.part", "notes.txt"):
        (tmp_path / other).write_text("text")

    def look(folder):
        sweep(tmp_path)
        assert folder.exists()

    write_new_folder(tmp_path / "policy", look)
    assert names(tmp_path) == {".seqaudit-notes", "table.part", "notes.txt", "policy"}
