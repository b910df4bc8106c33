"""Atomic writing of files and folders: each appears whole or not at all, and survives a loss of power once it is there.

What is written goes to a scratch file with a name of its own beside the target, is flushed to the disk, and is then
renamed. So two writers of one file do not meet, and the last one wins. A writer holds a lock on its scratch file: what
``sweep`` finds without one was left by a process that was killed.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ...posteriors.foundation.refusals import file_path

try:
    import fcntl
except ImportError:  # Windows, where the system refuses to remove a file that is open
    fcntl = None  # type: ignore[assignment]

__all__ = ["append_line", "new_folder", "sweep", "write_new", "write_new_folder", "write_whole"]

_PREFIX, _SUFFIX = ".seqaudit-", ".part"


def write_whole(path: str | Path, content: str | bytes | Iterable[bytes]) -> Path:
    """Write a file, of one piece or of several; an interrupted or failed write leaves the target as it was.

    Raises
    ------
    OSError
        If the file cannot be written; the error names it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_whole(Path(folder, "a.txt"), "done").read_text()
    'done'
    """
    target = file_path("path", path)
    # A link stays a link: what it points to is written.
    place = Path(os.path.realpath(target))
    pieces = [_bytes(content)] if isinstance(content, (str, bytes)) else content
    with _named(target), _scratch_file(place.parent) as (scratch, file):
        _keep_mode(place, scratch)
        for piece in pieces:
            _fill(file, piece)
        _let_go(file)
        scratch.replace(place)
        _flush_folder(place.parent)
    return target


def write_new(path: str | Path, content: str | bytes) -> bool:
    """Write a file that does not exist yet; False, and nothing written, if it exists or another writer was first."""
    target = file_path("path", path)
    data = _bytes(content)
    with _named(target), _scratch_file(target.parent) as (scratch, file):
        _fill(file, data)
        _let_go(file)
        try:
            os.link(scratch, target)
        except FileExistsError:
            return False
        except OSError:
            # A file system without links, such as those of memory cards.
            if target.exists():
                return False
            scratch.replace(target)
        _flush_folder(target.parent)
    return True


def new_folder(field: str, path: str | Path) -> Path:
    """Path of a folder that does not exist yet, where one can be made.

    Raises
    ------
    ValueError
        If the path exists, or lies in something other than a folder.
    """
    target = file_path(field, path)
    if os.path.lexists(target):
        raise ValueError(f"{path} exists; give the path of a new folder")
    for folder in target.parents:
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{path} cannot be written: {folder} is not a folder")
    return target


def write_new_folder(path: str | Path, fill: Callable[[Path], object]) -> Path:
    """Write a folder that does not exist yet; ``fill`` is called with the path of a scratch folder.

    Raises
    ------
    ValueError
        If ``path`` exists, or lies in something other than a folder.
    OSError
        If the folder cannot be written; the error names it.
    """
    target = new_folder("path", path)
    with _named(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        with _scratch_folder(target.parent) as made:
            fill(made)
            for file in made.iterdir():
                with file.open("rb+") as stream:
                    os.fsync(stream.fileno())
            _flush_folder(made)
            # On POSIX a folder replaces an empty one, so an existing path is refused here as well.
            made.rename(new_folder("path", path))
        _flush_folder(target.parent)
    return target


def append_line(path: str | Path, line: str) -> None:
    """Add a line to a file in one step, so that lines of several writers do not mix."""
    with _named(Path(path)), Path(path).open("ab+", buffering=0) as file:
        # A line that a full disk cut short is ended first.
        end = file.seek(0, os.SEEK_END)
        file.seek(max(end - 1, 0))
        cut = file.read(1) not in (b"", b"\n")
        _fill(file, (b"\n" if cut else b"") + f"{line}\n".encode())


def sweep(folder: Path) -> None:
    """Remove scratch files and folders that a killed process left in a folder."""
    for path in folder.iterdir():
        if _is_scratch(path):
            with suppress(OSError), _locked(path) as free:
                if free:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _scratch_name() -> str:
    # Not longer for a target with a long name: a name has at most 255 bytes.
    return f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"


def _is_scratch(path: Path) -> bool:
    """True for a path that is named like a scratch file."""
    return path.name.startswith(_PREFIX) and path.name.endswith(_SUFFIX)


@contextmanager
def _scratch_file(folder: Path) -> Iterator[tuple[Path, Any]]:
    """Scratch file that is open, locked and, at the end, gone."""
    while True:
        scratch = folder / _scratch_name()
        # Not tempfile: its files are readable by their owner only, whatever the umask says.
        file = scratch.open("xb", buffering=0)
        # A sweep may have come between the two calls.
        if _hold(file.fileno()) is not False and scratch.exists():
            break
        file.close()
    try:
        with file:
            yield scratch, file
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def _scratch_folder(folder: Path) -> Iterator[Path]:
    """Scratch folder that is locked and, after an error, gone."""
    while True:
        scratch = folder / _scratch_name()
        scratch.mkdir()
        with _locked(scratch) as held:
            if held is False or not scratch.exists():
                continue
            try:
                yield scratch
            except BaseException:
                shutil.rmtree(scratch, ignore_errors=True)
                raise
            return


def _keep_mode(place: Path, scratch: Path) -> None:
    """Give a scratch file the permissions of the file that it will replace; what is no file is not replaced."""
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise FileExistsError(errno.EEXIST, "this is a device or a pipe; allowed: a file")
    if stat.S_ISREG(mode):
        scratch.chmod(stat.S_IMODE(mode))


def _fill(file: Any, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


def _let_go(file: Any) -> None:
    """Close a file where the system does not rename open ones; elsewhere its lock is kept."""
    if fcntl is None:
        file.close()


def _hold(descriptor: int) -> bool | None:
    """Lock an open file until it is closed; False if another holds it, None if there are no locks here."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextmanager
def _locked(path: Path) -> Iterator[bool | None]:
    """Lock on a file or folder, as of ``_hold``; on Windows a file that can be removed is one that nobody has open."""
    if fcntl is None:
        yield True if path.is_file() else None
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield _hold(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Have a change of names survive a loss of power, where the system can promise that."""
    if fcntl is None:
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _named(target: Path) -> Iterator[None]:
    """Have errors of the system name the target, not a scratch file."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise OSError(f"{target}: cannot be written: {error}") from None
        raise OSError(error.errno, error.strerror, str(target)) from None
