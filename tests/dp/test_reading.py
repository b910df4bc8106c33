"""Reading of input files: whatever the path leads to, reading ends, and takes no more memory than its limit."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

import pytest

from seqaudit.dp.machine.reading import Unreadable, read_input, unpacked


@pytest.mark.smoke
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev/full", "/dev/null", "/dev/tty"])
def test_a_device_is_refused_unread(device):
    if not Path(device).exists():
        pytest.skip("this system has no such device")
    with pytest.raises(Unreadable, match="this is a device; allowed: a file or a pipe"):
        read_input(device)


def test_a_pipe_that_nothing_writes_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("seqaudit.dp.machine.reading._PATIENCE", 0.01)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unreadable, match="this is a pipe that nothing writes to"):
        read_input(tmp_path / "pipe")


@pytest.mark.parametrize("content", [b"", b"some bytes", b"x" * 300_000], ids=len)
def test_a_pipe_is_read_to_its_end_whatever_is_written(tmp_path, content):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    writer.start()
    assert read_input(tmp_path / "pipe") == content
    writer.join()


def test_a_pipe_whose_writer_is_slow_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("seqaudit.dp.machine.reading._PATIENCE", 0.0)
    receiver, sender = os.pipe()
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(read_input(f"/dev/fd/{receiver}")))
    reader.start()
    os.write(sender, b"first ")
    os.write(sender, b"then")
    os.close(sender)
    reader.join()
    os.close(receiver)
    assert found == [b"first then"]


def test_an_endless_pipe_is_read_up_to_the_limit_only(tmp_path):
    receiver, sender = os.pipe()
    written = 0

    def write():
        nonlocal written
        try:
            while True:
                written += os.write(sender, b"y\n" * 4_096)
        except BrokenPipeError:
            pass

    writer = threading.Thread(target=write)
    writer.start()
    with pytest.raises(Unreadable, match="it holds more than 1 MiB"):
        read_input(f"/dev/fd/{receiver}", most=2**20)
    os.close(receiver)
    writer.join()
    os.close(sender)
    assert written < 2**23


@pytest.mark.parametrize(("size", "fits"), [(2**20, True), (2**20 + 1, False)])
def test_the_limit_holds_for_files_and_for_what_they_unpack_to(tmp_path, size, fits):
    content = b"\0" * size
    path = tmp_path / "file"
    path.write_bytes(content)
    packed = gzip.compress(content)
    assert len(packed) < 2_000
    if fits:
        assert read_input(path, 2**20) == content == unpacked(packed, 2**20)
        return
    with pytest.raises(Unreadable, match=r"^it holds more than 1 MiB"):
        read_input(path, 2**20)
    with pytest.raises(Unreadable, match=r"^it unpacks to more than 1 MiB"):
        unpacked(packed, 2**20)


def test_members_one_after_the_other_unpack_to_their_contents_joined():
    assert unpacked(b"".join(gzip.compress(x) for x in (b"one ", b"", b"two")) + b"\0\0") == b"one two"
