"""The pages of docs/ and the README do what they say.

Each page is run from top to bottom in a folder of its own, in one namespace. What a fence's first word means:

    python     run; nothing is compared
    pycon      run as doctest
    console    each line after ``$ `` is run; what it prints follows: standard output, or standard error where it fails
    toml, csv, jsonl
               files: written under the name after ``title=`` before anything runs, and read by the reader they are
               for, which must refuse the ones marked ``refused``
    text, sh   not run

``...`` stands for anything, and runs of white space are equal, as in doctest.
"""

import contextlib
import doctest
import io
import re
import shlex
import sys
import tomllib
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import seqaudit as sa
from seqaudit.bandits.registry import POLICIES
from seqaudit.benchmarks.cli.main import main
from seqaudit.posteriors.beliefs.registry import BELIEFS
from seqaudit.posteriors.foundation.names import Registry
from seqaudit.posteriors.raters.registry import RATER_MODELS
from seqaudit.posteriors.utilities import UTILITIES

ROOT = Path(__file__).resolve().parents[2]
INDEX = ROOT / "docs" / "index.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FENCE = re.compile(r"^```(?P<language>\S*)(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(
    r"""\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)     # [text](target)
      | ^\[[^\]]+\]:\s*(\S+)                   # [name]: target
      | <(?:img|a)\b[^>]*?(?:src|href)="([^"]+)"  # <a href="target">
    """,
    re.MULTILINE | re.VERBOSE,
)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    language: str
    info: list[str]
    text: str
    line: int

    @property
    def title(self) -> str | None:
        return next((word.removeprefix("title=") for word in self.info if word.startswith("title=")), None)


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [
        Block(m["language"], m["info"].split(), m["text"], text.count("\n", 0, m.start("text")))
        for m in FENCE.finditer(text)
    ]
    assert 2 * len(found) == len(re.findall(r"^ *```", text, re.MULTILINE)), (
        "a fence that is indented or does not close"
    )
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no terminal settings of the caller's."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write_files(page: Path, folder: Path) -> list[tuple[Block, Path]]:
    files = []
    for k, block in enumerate(blocks(page)):
        if block.language in ("toml", "csv", "jsonl"):
            path = folder / (block.title or f"block-{k}.{block.language}")
            assert not path.exists(), f"{page}: two files named {path.name}"
            path.write_text(block.text, encoding="utf-8")
            files.append((block, path))
    return files


def run_console(page: Path, block: Block) -> None:
    status = 0
    checker = doctest.OutputChecker()
    assert block.text.startswith("$ "), f"{page_id(page)}, line {block.line}: a console block begins with '$ '"
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, expected = part.split("\n", 1)
        if command == "echo $?":
            got = f"{status}\n"
        else:
            status, got = run_command(command)
        if command == "make compare":
            # The README shows the seconds, the last column, as they were once printed.
            expected, got = (re.sub(r"(?m) +\d+\.\d\d *$", "", text) for text in (expected, got))
        example = doctest.Example(command, expected, lineno=block.line)
        if not checker.check_output(expected, got, FLAGS):
            pytest.fail(f"{page_id(page)}: $ {command}\n{checker.output_difference(example, got, FLAGS)}")


def run_command(command: str) -> tuple[int, str]:
    words = shlex.split(command)
    if words[:2] == ["make", "compare"]:
        words = ["seqaudit", "compare", *words[2:]]
    assert words[0] == "seqaudit", f"a console block runs seqaudit only; put {command!r} in an sh block"
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors), pytest.raises(SystemExit) as stop:
        main(words[1:])
    status = int(stop.value.code or 0)
    return status, errors.getvalue() if status else output.getvalue()


def run_pycon(page: Path, block: Block, namespace: dict[str, object]) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, {}, page_id(page), str(page), block.line)
    test.globs = namespace
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=report.write, clear_globs=False)
    if runner.failures or not runner.tries:
        pytest.fail(f"{page_id(page)}, line {block.line}: {report.getvalue() or 'no >>> in a pycon block'}")


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_examples_of_a_page_run_and_print_what_it_shows(
    page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A module of its own: classes that a page defines can then be pickled, as they can in a user's script.
    module = types.ModuleType(f"page_{page.stem.replace('-', '_')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    write_files(page, folder)
    for block in blocks(page):
        if block.language == "python":
            exec(compile("\n" * block.line + block.text, str(page), "exec"), module.__dict__)
        elif block.language == "pycon":
            run_pycon(page, block, module.__dict__)
        elif block.language == "console":
            run_console(page, block)
        else:
            assert block.language in ("toml", "csv", "jsonl", "text", "sh"), f"{page}: a fence of {block.language!r}"
    for registry, name, place in entry_points_shown(page):
        cls = module.__dict__[place.partition(":")[2]]
        assert issubclass(cls, registry.base)
        assert getattr(cls, registry.key) == name


def entry_points_shown(page: Path) -> Iterator[tuple[Registry[Any], str, str]]:
    """Entry points of the pyproject.toml that a page shows: registry, name and place of the class."""
    known = {registry.group: registry for registry in (POLICIES, BELIEFS, RATER_MODELS, UTILITIES)}
    for block in blocks(page):
        if block.title == "pyproject.toml":
            for group, points in tomllib.loads(block.text)["project"]["entry-points"].items():
                for name, place in points.items():
                    yield known[group], name, place


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_that_a_page_shows_are_read_or_refused_as_it_says(page: Path, folder: Path) -> None:
    votes: Path | None = None
    for block, path in write_files(page, folder):
        if block.language == "toml" and "project" in tomllib.loads(block.text):
            continue
        expectation = pytest.raises(ValueError, match=re.escape(path.name)) if "refused" in block.info else None
        with expectation or contextlib.nullcontext():
            if block.language == "toml":
                keys = tomllib.loads(block.text).keys()
                reader = sa.Problem.from_toml
                reader = sa.read_scenarios if "scenario" in keys else sa.read_study if "problem" in keys else reader
                reader(path)
            elif block.language == "jsonl" or {"rater", "label"} & set(block.text.splitlines()[0].split(",")):
                sa.read_labels(path)
                votes = path
            elif "response" in block.text.splitlines()[0].split(","):
                sa.read_responses(path)
            else:
                assert votes is not None, f"{page}: the items file {path.name} has no label file before it"
                sa.read_labels(votes, path, strict=True)


def prose(page: Path) -> str:
    """The page without fenced and inline code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Files and anchors that a page points to."""
    for match in LINK.finditer(prose(page)):
        target = next(filter(None, match.groups()))
        if not re.match(r"[a-z]+:", target):
            name, _, anchor = target.partition("#")
            yield ((page.parent / name).resolve() if name else page), anchor


def anchors(page: Path) -> set[str]:
    """Anchors that code-hosting sites give to headings."""
    headings = re.findall(r"^#+ +(.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.smoke
@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), f"{page_id(page)} links to {target}, which does not exist"
        assert target.is_relative_to(ROOT), f"{page_id(page)} links out of the repository, to {target}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page_id(page)} links to #{anchor}, which {target.name} lacks"


@pytest.mark.smoke
def test_every_file_in_docs_is_reachable_from_its_index() -> None:
    seen, todo = {INDEX}, [INDEX]
    while todo:
        page = todo.pop()
        new = {target for target, _ in links(page) if target.is_file()} - seen
        seen |= new
        todo += [target for target in new if target.suffix == ".md"]
    there = {path for path in INDEX.parent.rglob("*") if path.is_file() and path.parent.name != "__pycache__"}
    unreached = there - seen
    assert not unreached, f"docs/index.md does not lead to {sorted(map(page_id, unreached))}"


@pytest.mark.smoke
def test_every_page_opens_with_one_sentence_under_its_title() -> None:
    for page in PAGES:
        if page.parent == INDEX.parent:
            title, blank, opening, *_ = page.read_text(encoding="utf-8").split("\n", 3)
            assert title.startswith("# "), f"{page_id(page)} has no title"
            assert not blank, f"{page_id(page)}: no blank line after the title"
            assert opening.strip(), f"{page_id(page)} does not open with a sentence"
