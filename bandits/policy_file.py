"""Policies from Python files: ``mine.py:Mine``, ``mine.py:Mine(depth=3)`` or, for an object, ``mine.py:mine``.

The file is run as code when it is read. A policy of a class of the file is pickled with the text of the file, so worker
processes run what was read, whatever the file holds by then.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ..dp.machine.reading import Unreadable, read_input
from ..dp.machine.seal import digest
from ..posteriors.foundation.messages import first_line, listed, named, shown
from ..posteriors.foundation.names import Registry
from ..posteriors.foundation.plugins import text_of
from .policy import Policy
from .policy_imports import imports_of
from .registry import POLICIES

__all__ = ["file_records", "policy_from_file"]

# What follows the path of a file. No spaces are tried at more than one length, or a long text would take time that
# grows as a power of its length.
_NAMED = re.compile(r"(?:\s*+:\s*+([^\W\d]\w*+)?\s*+(\(.*\))?+)?+\s*+", re.DOTALL)
_LONGEST_PATH = 4096

# Policies read from files, with the record of the file.
_read: list[tuple[Policy, dict[str, Any]]] = []
# Folders that the files put on the path of imports.
_added: dict[str, list[str]] = {}


def policy_from_file(text: str) -> Policy | None:
    """Policy that a file and a name in it, such as ``mine.py:Mine``, stand for; None for a text of another form.

    Parameters
    ----------
    text : str
        The path of a file, a colon, and the name of a policy class in it, with settings in brackets where they differ
        from the defaults; or the name of a policy.

    Returns
    -------
    Policy or None

    Raises
    ------
    ValueError
        For a file that cannot be run, with its line; for a name that is missing, or is not that of a policy; for a
        class with the name of a registered policy; and for settings that the class refuses.
    OSError
        If the system cannot open or read the file.

    Examples
    --------
    >>> policy_from_file("kg") is None
    True
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "doubtful.py")
    ...     _ = file.write_text('''
    ... import seqaudit as sa
    ...
    ... class Doubtful(sa.IndexPolicy):
    ...     name = "doubtful"
    ...
    ...     def index(self, states):
    ...         return states.sd
    ... ''')
    ...     policy_from_file(f"{file}:Doubtful(ties=first)").ties
    'first'
    """
    written = _written(text)
    if written is None:
        return None
    file, name, settings = written
    try:
        source = read_input(file)
    except Unreadable as error:
        raise ValueError(f"{named(file)}: {error}") from None
    module = _module(file, source)
    offered = {key: x for key, x in vars(module).items() if _is_policy(x, module)}
    if name not in offered:
        found = "no class or policy is named" if name is None else f"{shown(name)} is not a policy class or a policy"
        raise ValueError(f"{named(file)}: {found}; the file offers: {listed(offered, quoted=False) or 'none'}")
    policy = _made(module, offered[name], settings or "")
    imports = imports_of(file, source, _added.get(os.path.abspath(file), []))  # noqa: PTH100
    record: dict[str, Any] = {"file": Path(file).name, "sha256": digest(source)}
    _read.append((policy, record | ({"imports": imports} if imports else {})))
    return policy


def _written(text: str) -> tuple[str, str | None, str | None] | None:
    """File, name and settings that a text is written of; a bracket belongs to the path only where such a file is."""
    end = 0
    while (end := text.find(".py", end, _LONGEST_PATH)) >= 0:
        end += len(".py")
        file, rest = text[:end].lstrip(), _NAMED.fullmatch(text, end)
        if rest is not None and ("(" not in file or os.path.isfile(file)):  # noqa: PTH113
            return file, rest[1], rest[2]
    return None


def file_records(policies: Iterable[object] | None) -> list[dict[str, Any]]:
    """Names and SHA-256 digests of the files that policies were read from, each file once, and of modules beside them.

    Examples
    --------
    >>> file_records(["kg"])
    []
    """
    found = [record for policy in policies or () for one, record in _read if one is policy]
    return [record for k, record in enumerate(found) if record not in found[:k]]


def _is_policy(value: Any, module: ModuleType) -> bool:
    """True for a policy, and for a policy class of the file itself."""
    if isinstance(value, type):
        return issubclass(value, Policy) and value.__module__ == module.__name__
    return isinstance(value, Policy)


def _made(module: ModuleType, given: Any, settings: str) -> Policy:
    """Policy that an object of a module gives with settings."""
    file = str(module.__file__)
    cls = given if isinstance(given, type) else type(given)
    name = getattr(cls, "name", None)
    what = f"{named(file)}: the name of {cls.__qualname__} is {text_of(name)}"
    if not isinstance(name, str) or not re.fullmatch(r"[^\s()]+", name):
        raise ValueError(f"{what}; allowed: text without spaces and brackets")
    if POLICIES.known().get(name, cls) is not cls:
        raise ValueError(f"{what}, which is that of a registered policy; give it another one")
    if isinstance(given, Policy):
        if settings:
            raise ValueError(f"{named(file)}: a policy that is already constructed takes no settings {shown(settings)}")
        return given
    registry = Registry(Policy, "policy")  # type: ignore[type-abstract]
    registry.add_built_in([cls])
    try:
        return registry.make(f"{name}{settings}")
    except (Exception, SystemExit, GeneratorExit) as error:
        raise _refusal(file, error) from error


def _module(file: str, source: bytes) -> ModuleType:
    """Module of a file's text, which is run unless it was before."""
    # With a colon in it, the name is that of no package.
    name = f"file:{Path(file).as_posix()}"
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__source__", None) == source:
        return loaded
    module = ModuleType(name)
    vars(module).update({"__file__": file, "__source__": source})
    # Dataclasses look their module up while it is run.
    sys.modules[name] = module
    before = list(sys.path)
    try:
        exec(compile(source, file, "exec", dont_inherit=True), vars(module))
    except (Exception, SystemExit, GeneratorExit) as error:
        del sys.modules[name]
        raise _refusal(file, error) from error
    added = _added.setdefault(os.path.abspath(file), [])  # noqa: PTH100
    added += [place for place in sys.path if place not in before and place not in added]
    for cls in list(vars(module).values()):
        usual = getattr(cls, "__reduce__", None) is object.__reduce__ and cls.__reduce_ex__ is object.__reduce_ex__
        if isinstance(cls, type) and _is_policy(cls, module) and usual:
            cls.__reduce_ex__ = _reduced  # type: ignore[method-assign, assignment]
    return module


def _reduced(policy: Policy, protocol: Any) -> tuple[Any, ...]:
    """Recipe of a policy for pickles: the text of its file, the name of its class, and its state."""
    module = sys.modules[type(policy).__module__]
    state = object.__reduce_ex__(policy, max(protocol, 2))[2]
    return _restored, (module.__file__, vars(module)["__source__"], type(policy).__qualname__), state


def _restored(file: str, source: bytes, name: str) -> Any:
    """Empty policy of a class of a file; its state is filled in by the unpickler."""
    cls: Any = _module(file, source)
    for part in name.split("."):
        cls = getattr(cls, part)
    return object.__new__(cls)


def _refusal(file: str, error: BaseException) -> ValueError:
    """Error in one line that says where in a file another one was raised."""
    line = next(_lines(file, error), None)
    at = named(file) if line is None else f"{named(file)}, line {line}"
    if isinstance(error, SystemExit):
        return ValueError(f"{at}: called sys.exit({error})")
    if isinstance(error, SyntaxError) and error.filename == file:
        return ValueError(f"{at}: {error.msg}")
    said = first_line(error)
    return ValueError(f"{at}: {said}" if isinstance(error, ValueError) else f"{at}: {type(error).__name__}: {said}")


def _lines(file: str, error: BaseException | None) -> Iterator[int]:
    """Lines of a file at which an error, or the one that it came from, was raised, the innermost first."""
    while error is not None:
        if isinstance(error, SyntaxError) and error.filename == file and error.lineno:
            yield error.lineno
        trace, found = error.__traceback__, []
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == file:
                found.append(trace.tb_lineno)
            trace = trace.tb_next
        yield from reversed(found)
        error = error.__cause__ or error.__context__
