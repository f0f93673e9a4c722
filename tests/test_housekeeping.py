"""What a newcomer reads before any code: first lines, the tree in README, citation, change log, hooks."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

import pipeline

ROOT = Path(__file__).parents[1]
PACKAGES = ("annotations", "commands", "detectors", "evaluation", "pipeline", "reports", "stages", "training")
CODE = [ROOT / "run.py", *(path for folder in (*PACKAGES, "tests") for path in sorted((ROOT / folder).rglob("*.py")))]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def named(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def told(tree: str) -> Iterator[str]:
    """Paths and patterns of a tree: names with commas between, then what they are; those in a folder are indented."""
    room = ""
    for line in filter(str.strip, tree.splitlines()):
        found = re.match(r"(\s*)([\w./*-]+(?:, [\w./*-]+)*)", line)
        assert found is not None, line
        indent, names = found.groups()
        if not indent:
            room = names if names.endswith("/") else ""
        yield from (f"{room if indent else ''}{name}" for name in names.split(", ") if not name.endswith("/"))


def tree_of(readme: str) -> str:
    found = re.search(r"^## The code\n+```text\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def files_of_the_rooms() -> set[str]:
    """All that a reader meets there; an empty __init__.py, or one that says what its folder is, needs no line."""
    found = (path for folder in (*PACKAGES, "docs") for path in (ROOT / folder).rglob("*"))
    shown = (path for path in found if path.is_file() and "__pycache__" not in path.parts)
    return set(named([path for path in shown if path.name != "__init__.py" and not path.name.startswith(".")]))


def test_every_file_says_in_its_first_line_what_it_is() -> None:
    texts = {path: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in CODE}
    assert named([path for path, text in texts.items() if not text.partition("\n")[0].endswith(".")]) == []


def test_no_file_is_longer_than_400_lines() -> None:
    assert named([path for path in CODE if len(path.read_text(encoding="utf-8").splitlines()) > 400]) == []


def test_tree_in_readme_names_every_file() -> None:
    names = {one for name in told(tree_of(README)) for one in named(list(ROOT.glob(name)))}
    assert sorted(files_of_the_rooms() - names) == []


def test_tree_in_readme_names_nothing_that_is_not_there_and_nothing_twice() -> None:
    names = list(told(tree_of(README)))
    assert [name for name in names if not any(ROOT.glob(name))] == []
    assert [name for name in set(names) if names.count(name) > 1] == []


def test_tree_is_read_by_rooms_and_lists() -> None:
    tree = "run.py   all\ndetectors/   nets\n  nms.py   spans\n  persons/a.py, persons/b.py both\ndocs/*.md   pages\n"
    names = ["run.py", "detectors/nms.py", "detectors/persons/a.py", "detectors/persons/b.py", "docs/*.md"]
    assert list(told(tree)) == names


def test_version_is_one_and_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    versions = re.findall(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [project["version"], citation["version"], versions[0]] == [pipeline.__version__] * 3
    assert citation["license"] == project["license"]


def test_citation_has_what_its_format_requires() -> None:
    """https://citation-file-format.github.io: of the file as a whole, and of each reference."""
    citation: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert all(citation[field] for field in ("message", "title", "authors", "abstract"))
    assert all(one.keys() & {"name", "family-names"} for one in citation["authors"])
    for reference in citation["references"]:
        assert {"authors", "title", "type", "year", "url"} <= reference.keys()


def test_hooks_are_checks_that_must_hold_anyway_and_come_from_nowhere_else() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [one["repo"] for one in hooks["repos"]] == ["local"]
    entries = [hook["entry"] for one in hooks["repos"] for hook in one["hooks"]]
    checks = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert entries and [entry for entry in entries if not any(line.startswith(entry) for line in checks)] == []
