"""Reading of input files: up to a limit, and never from something that does not end.

Input files can be pipes, such as those that a shell makes for ``<(command)``. A pipe without a writer, a device and a
compressed file that unpacks to more than memory holds would all be read for ever; each is refused.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import select
import stat
import time
from pathlib import Path
from typing import Any

from ...posteriors.foundation.refusals import file_path

__all__ = ["MOST_TEXT", "Unreadable", "read_input", "read_json", "unpacked"]

# Bytes of text in a file, unpacked if it is compressed.
MOST_TEXT = 512 * 2**20
# Bytes that are read at once.
_CHUNK = 2**20
# Seconds that a pipe may wait for its writer to open it.
_PATIENCE = 2.0


class Unreadable(ValueError):
    """Error for a file that is not read; the message says why, without the name of the file."""


def read_input(path: str | os.PathLike[str], most: int = MOST_TEXT) -> bytes:
    """Read a file or a pipe.

    Parameters
    ----------
    path : str or path
    most : int
        Largest number of bytes.

    Returns
    -------
    bytes

    Raises
    ------
    Unreadable
        For a folder, a device, a pipe without a writer, and more than ``most`` bytes.
    OSError
        If the system cannot open or read the file.

    Examples
    --------
    >>> try:
    ...     read_input(".")
    ... except Unreadable as error:
    ...     print(error)
    this is a directory; allowed: a file or a pipe with a writer
    """
    file = file_path("path", path)
    kind = file.stat().st_mode
    if stat.S_ISDIR(kind):
        raise Unreadable("this is a directory; allowed: a file or a pipe with a writer")
    if stat.S_ISFIFO(kind):
        return _read_pipe(file, most)
    if not stat.S_ISREG(kind):
        raise Unreadable("this is a device; allowed: a file or a pipe with a writer")
    with file.open("rb", buffering=0) as stream:
        return _read(stream, most)


def read_json(path: str | os.PathLike[str]) -> Any:
    """Value that a JSON file or pipe holds.

    Raises
    ------
    Unreadable, OSError
        As for ``read_input``.
    ValueError
        For data that is not JSON in UTF-8, or that is nested beyond what can be read.
    """
    raw = read_input(path)
    try:
        return json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("not a UTF-8 text file") from None
    except RecursionError:
        raise ValueError("its lists or tables are nested too deeply") from None


def unpacked(raw: bytes, most: int = MOST_TEXT) -> bytes:
    """Contents of gzip data, of one or several members.

    Raises
    ------
    Unreadable
        For more than ``most`` bytes; no more than that is unpacked.
    EOFError, OSError, zlib.error
        For data cut short or damaged.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
        try:
            return _read(stream, most)
        except Unreadable:
            raise Unreadable(f"it unpacks to more than {_size(most)}; allowed: up to that") from None


def _read_pipe(path: Path, most: int) -> bytes:
    """Read a pipe to its end; without a writer it would never come."""
    # Opened so that neither the opening nor the first read waits; a read then tells a pipe without a writer, which is
    # at its end, from one whose writer has nothing yet.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        deadline = time.monotonic() + _PATIENCE
        first = stream.read(_CHUNK)
        while first == b"" and (left := deadline - time.monotonic()) > 0:
            # Ready at once if a writer has come and gone.
            if select.select([descriptor], [], [], left)[0]:
                first = stream.read(_CHUNK)
                break
        else:
            if first == b"":
                raise Unreadable("this is a pipe that nothing writes to; allowed: a file or a pipe with a writer")
        os.set_blocking(descriptor, True)
        return _read(stream, most, first or b"")


def _read(stream: io.FileIO | gzip.GzipFile, most: int, first: bytes = b"") -> bytes:
    out = bytearray(first)
    while len(out) <= most:
        part = stream.read(_CHUNK)
        if not part:
            return bytes(out)
        out += part
    raise Unreadable(f"it holds more than {_size(most)}; allowed: up to that")


def _size(most: int) -> str:
    return f"{most / 2**20:g} MiB"
