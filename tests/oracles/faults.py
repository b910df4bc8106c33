"""Disks that fail: the n-th call that opens, writes, flushes, renames or makes something raises an error."""

from __future__ import annotations

import builtins
import errno
import io
import itertools
import os
from contextlib import contextmanager

import pytest

FULL = errno.ENOSPC, "No space left on device"


def full_disk():
    raise OSError(*FULL, "inner name")


def killed():
    os._exit(9)


@contextmanager
def failing_call(n: int, fail=full_disk):
    """Let the n-th call of the file system fail; yields the list of the calls so far."""
    calls = []

    def step(name):
        calls.append(name)
        if len(calls) == n:
            fail()

    class File(io.FileIO):
        def write(self, data):
            if len(calls) == n - 1:
                super().write(data[: len(data) // 2])
            step("write")
            return super().write(data)

    opened = io.open

    def open_(path, mode="r", buffering=-1, *rest, **more):
        step("open")
        if buffering == 0:
            return File(path, mode.replace("b", ""))
        return opened(path, mode, buffering, *rest, **more)

    def counted(name):
        honest = getattr(os, name)

        def call(*rest, **more):
            step(name)
            return honest(*rest, **more)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", open_)
        patch.setattr(builtins, "open", open_)
        for name in ("replace", "rename", "link", "mkdir", "fsync"):
            patch.setattr(os, name, counted(name))
        yield calls


def each_failure(work):
    """Do some work, ``work(1)``, ``work(2)``, ..., with the first, second, ... call failing, until none does.

    Yields the number and the error of each time; None if there was none.
    """
    for n in itertools.count(1):
        error = None
        with failing_call(n) as calls:
            try:
                work(n)
            except OSError as raised:
                error = raised
        yield n, error
        if len(calls) < n:
            return
