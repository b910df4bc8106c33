"""Docstrings hold what a reader looks for there; what is missing today is listed, and the lists may only get shorter.

``numpydoc lint``, a part of ``make lint``, holds the sections that there are to the source; here the public names are
held to having them.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from numpydoc.docscrape import NumpyDocString

import seqaudit

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("posteriors", "dp", "bandits", "benchmarks")

# Docstrings that begin with a question word, by module and name, and public names that lack a section. A name that no
# longer does must leave its list, and none is added.
QUESTIONS = """
"""
INCOMPLETE = {
    "Parameters": """
        RaterBias.build_logits RaterModel.approximate RaterModel.build RaterModel.chances RaterModel.channel
        RaterModel.complete RaterModel.draw RaterModel.log_likelihood RaterModel.new_item_belief
        RaterModel.new_rates
    """,
    "Returns": """
        RaterBias.build_logits RaterBias.scales
    """,
    "Raises": """

    """,
    "Examples": """

    """,
}


def asks(text: str) -> bool:
    """True where a text begins with a question word."""
    return text.split(maxsplit=1)[:1] in (["What"], ["Whether"], ["Which"], ["How"])


def summaries() -> dict[str, str]:
    """First paragraph of each docstring of the package, private ones included, by ``module:name``."""
    found: dict[str, str] = {}

    def visit(node: ast.AST, module: str, name: str) -> None:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            found[f"{module}:{name}".rstrip(":")] = (ast.get_docstring(node) or "").split("\n\n")[0]
        for child in ast.iter_child_nodes(node):
            inner = f"{name}.{child.name}" if isinstance(child, ast.ClassDef | ast.FunctionDef) else name
            visit(child, module, inner.removeprefix("."))

    for path in sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        visit(ast.parse(path.read_text(encoding="utf-8")), module, "")
    return found


@cache
def public() -> dict[str, Any]:
    """Public functions and classes, and the methods of these that no base has, by name."""
    found = {name: getattr(seqaudit, name) for floor in FLOORS for name in getattr(seqaudit, floor).__all__}
    for name, item in list(found.items()):
        for method, value in vars(item).items() if inspect.isclass(item) else ():
            body = getattr(value, "__func__", value)
            inherited = any(method in vars(base) for base in item.__mro__[1:])
            if inspect.isfunction(body) and not method.startswith("_") and not inherited:
                found[f"{name}.{method}"] = body
    return found


def section(item: Any, name: str) -> list[Any]:
    """One section of a docstring, as numpydoc parses it."""
    found: list[Any] = NumpyDocString(inspect.getdoc(item) or "")[name]
    return found


def explained(item: Any) -> set[str]:
    """Parameters that a docstring explains, or that of a base."""
    sections = ("Parameters", "Attributes") if inspect.isclass(item) else ("Parameters",)
    own = {one.lstrip("*") for name in sections for entry in section(item, name) for one in entry.name.split(", ")}
    return own.union(*(explained(base) for base in item.__mro__[1:-1])) if inspect.isclass(item) else own


def statements(bodies: list[Any], kind: type[ast.AST]) -> Iterator[Any]:
    """Statements of one kind in functions, those of functions inside them left out."""

    def visit(node: ast.AST) -> Iterator[Any]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, kind):
                yield child
            if not isinstance(child, ast.FunctionDef):
                yield from visit(child)

    for body in bodies:
        yield from visit(ast.parse(textwrap.dedent(inspect.getsource(body))).body[0])


def lacks_parameters(item: Any) -> bool:
    """A parameter is not explained, or what is explained under Parameters is none."""
    if inspect.isclass(item) and not inspect.isfunction(item.__init__):
        return False
    takes = {name for name in inspect.signature(item).parameters if name not in ("self", "cls") and name[0] != "_"}
    named = {one.lstrip("*") for entry in section(item, "Parameters") for one in entry.name.split(", ")}
    return not named <= takes <= explained(item)


def lacks_returns(item: Any) -> bool:
    """Something is returned, and no section says what."""
    if inspect.isclass(item) or section(item, "Returns"):
        return False
    values = [found.value for found in statements([item], ast.Return)]
    return any(value is not None and ast.unparse(value) != "None" for value in values)


def lacks_raises(item: Any) -> bool:
    """An error that the body raises itself, or making an object of a class, is not among those listed."""
    made = [vars(item).get(name) for name in ("__init__", "__post_init__")] if inspect.isclass(item) else [item]
    bodies = [body for body in made if inspect.isfunction(body) and Path(body.__code__.co_filename).exists()]
    listed = [one for entry in section(item, "Raises") for one in entry.type.split(", ")]
    for found in statements(bodies, ast.Raise):
        name = ast.unparse(getattr(found.exc, "func", found.exc)) if found.exc else ""
        error = bodies[0].__globals__.get(name, getattr(builtins, name, None))
        if inspect.isclass(error) and not {base.__name__ for base in error.__mro__} & set(listed):
            return True
    return False


def lacks_examples(item: Any) -> bool:
    """A function, or a class that a user makes, is not shown at work."""
    shown = not inspect.isclass(item) or bool(section(item, "Parameters"))
    return shown and "." not in item.__qualname__ and not section(item, "Examples")


LACKS: dict[str, Callable[[Any], bool]] = {
    "Parameters": lacks_parameters,
    "Returns": lacks_returns,
    "Raises": lacks_raises,
    "Examples": lacks_examples,
}


def test_docstrings_begin_with_what_a_thing_is_or_does_and_never_with_a_question_word():
    found = {name for name, text in summaries().items() if asks(text)}
    assert found == set(QUESTIONS.split())


@pytest.mark.parametrize("name", LACKS)
def test_public_docstrings_have_the_sections_that_a_reader_looks_for(name):
    found = {title for title, item in public().items() if LACKS[name](item)}
    assert found == set(INCOMPLETE[name].split())
