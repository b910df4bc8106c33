"""Names of the modules that a text imports, by statements and by calls, wherever in the text they stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator

__all__ = ["names_in"]

_CALLS = ("import_module", "__import__")


def names_in(source: bytes, package: str) -> Iterator[str | None]:
    r"""Full names of the modules that a text imports; None for each call whose name is computed.

    Parameters
    ----------
    source : bytes
        Text of a Python file; one that Python does not take imports nothing.
    package : str
        Name of the package that relative imports begin at.

    Yields
    ------
    str or None
        For ``from a import b`` both ``a`` and ``a.b``, which may be a module.

    Examples
    --------
    >>> list(names_in(b"from . import near", "house"))
    ['house', 'house.near']
    >>> text = b"from importlib import import_module as get\nTAILS = 'tails'\nget(name=TAILS + '_of')\nget(input())"
    >>> list(names_in(text, ""))
    ['importlib', 'importlib.import_module', 'tails_of', None]
    """
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    calls, texts = set(_CALLS), _constants(nodes)
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            calls |= {alias.asname for alias in node.names if alias.name in _CALLS and alias.asname}
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and _called(node.value) in calls:
            calls |= {target.id for target in _targets(node) if isinstance(target, ast.Name)}
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = _absolute("." * node.level + (node.module or ""), package)
            if start:
                yield start
            yield from (f"{start}.{alias.name}".lstrip(".") for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node.func) in calls:
            given = dict(zip(("name", "package"), node.args, strict=False)) | {x.arg: x.value for x in node.keywords}
            name, within = _text(given.get("name"), texts), _text(given.get("package"), texts)
            yield None if name is None else _absolute(name, package if within is None else within)


def _targets(node: ast.Assign | ast.AnnAssign | ast.NamedExpr) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _called(node: ast.expr | None) -> str:
    return str(getattr(node, "attr", getattr(node, "id", "")))


def _absolute(name: str, package: str) -> str:
    """Name with the dots that it begins with resolved: each but the first is a step up from the package."""
    plain = name.lstrip(".")
    level = len(name) - len(plain)
    if not level:
        return plain
    above = package.split(".") if package else []
    return ".".join([*above[: len(above) - level + 1], *([plain] if plain else [])])


def _constants(nodes: list[ast.AST]) -> dict[str, str]:
    """Texts that names stand for, of those that are given one text and nothing else."""
    given: dict[str, list[str | None]] = {}
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            given.setdefault(node.id, []).append(None)
        elif isinstance(node, ast.arg):
            given.setdefault(node.arg, []).extend((None, None))
    for node in nodes:
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
            for target in _targets(node):
                if isinstance(target, ast.Name):
                    given[target.id][0] = _text(node.value, {})
    return {name: texts[0] for name, texts in given.items() if len(texts) == 1 and texts[0] is not None}


def _text(node: ast.expr | None, texts: dict[str, str]) -> str | None:
    """Text that an expression is, if it is a text, a name for one, or a sum or a formatted text of such."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return texts.get(node.id)
    parts: list[ast.expr | None]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [node.left, node.right]
    elif isinstance(node, ast.JoinedStr):
        parts = [x.value if isinstance(x, ast.FormattedValue) and x.format_spec is None else x for x in node.values]
    else:
        return None
    found = [_text(x, texts) for x in parts]
    return None if None in found else "".join(map(str, found))
