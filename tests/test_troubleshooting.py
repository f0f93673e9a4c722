"""Claims about docs/troubleshooting.md: it lists every error class, exit code and line that there is, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from commands import plain_errors

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
# Where errors of videos come from, and from where lines are told.
OF_VIDEOS = ("pipeline", "stages")
FOLDERS = (*OF_VIDEOS, "annotations", "commands", "detectors", "reports", "training")
# Exceptions that never become a class in a table: they end a command, or carry or become another class.
NO_CLASS = {"VideoError", "StopRun", "InputError", "ConfigError", "DecoderDied"}
NEVER_IN_TABLES = {"Vanished"}
# Words of pydantic, DuckDB, pyarrow and the system within our lines.
OF_OTHERS = {
    "input should be",
    "Binder Error:",
    "Parser Error:",
    "Unrecognized filesystem type in URI",
    "Unexpected query parameter",
    "AWS Error",
    "No space left on device",
}
CLASS = re.compile(r"[A-Z][A-Za-z]+")
ERRORS = ("Exception", "Error")
# Where a line of the page, or its source, is put together from pieces.
JOINTS = re.compile(r"\.\.\.|['(;]|\b(?:ADDRESS|CHECKPOINT|FOLDER|LAYOUT|NETWORK|PART|[NRTXY]|cannot)\b|section\.field")


def trees(*folders: str) -> Iterator[ast.Module]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield ast.parse(path.read_text(encoding="utf-8"))


def text_of(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def classes_in(tree: ast.Module) -> Iterator[str]:
    """X of VideoError("X", ...), Failure(video, stage, "X", ...), pairs ("X", "a sentence"), and class X(Exception)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            place = {"VideoError": 0, "Failure": 2}.get(node.func.id)
            if place is not None and place < len(node.args):
                yield text_of(node.args[place])
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and " " in text_of(node.elts[1]):
            yield text_of(node.elts[0])
        elif isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith(ERRORS) for base in node.bases):
            yield node.name


def classes() -> set[str]:
    found = {one for tree in trees(*OF_VIDEOS) for one in classes_in(tree)}
    return {one for one in found if CLASS.fullmatch(one)} - NO_CLASS


def headings() -> list[str]:
    return re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE)


def cells(title: str) -> Iterator[str]:
    """The first cell of every row of tables from that heading up to the next one of its level."""
    section = re.split(r"^## ", PAGE.split(f"\n## {title}\n")[1], flags=re.MULTILINE)[0]
    rows = [
        line for line in section.splitlines() if line.startswith("| ") and not line.startswith(("| line", "| code"))
    ]
    yield from (re.split(r" \| ", row.removeprefix("| "))[0] for row in rows)


def test_every_error_class_that_the_code_knows_has_a_heading_and_no_other_has() -> None:
    assert len(classes()) > 12
    assert sorted(headings()) == sorted(classes())


def test_every_class_but_those_that_never_stand_in_a_table_comes_with_a_query() -> None:
    for section in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        name = section.split("`")[1]
        if name in set(headings()) - NEVER_IN_TABLES:
            assert f"error_class = '{name}'" in section.split("```sql")[1]


def test_query_for_all_others_leaves_out_just_the_listed_ones() -> None:
    listed = re.search(r"error_class not in \(([^)]+)\)", PAGE)
    assert listed is not None
    assert set(re.findall(r"'(\w+)'", listed[1])) == set(headings()) - NEVER_IN_TABLES


def test_exit_codes_are_those_of_the_commands() -> None:
    codes = {value for name, value in vars(plain_errors).items() if name.isupper() and isinstance(value, int)}
    assert {int(cell) for cell in cells("Exit codes")} == codes


def test_every_line_that_is_listed_is_told_somewhere() -> None:
    """Piece by piece, between what stands for names."""
    told = {text_of(node) for tree in trees(*FOLDERS) for node in ast.walk(tree)} | OF_OTHERS
    lines = [line for cell in cells("Lines that end a command") for line in re.findall(r"`([^`]+)`", cell)]
    pieces = [piece.strip(" ,:") for line in lines for piece in JOINTS.split(line)]
    pieces = [piece for piece in pieces if len(piece) > 6]
    assert len(pieces) > 30
    assert [piece for piece in pieces if not any(piece in text for text in told)] == []


def test_what_raises_is_found_however_it_is_written() -> None:
    source = """
PAIR: Error = ("Odd", "it is odd")
BY_NUMBER = {1: ("Even", "it is even"), 2: ("a", "b c")}
class Gone(Exception): ...
def f():
    raise VideoError("Wrong", f"it is {wrong}")
def g():
    return Failure(key, "probe", "Lost", "it is lost", None), VideoError(*PAIR), Failure(key, stage, *describe(error))
"""
    found = {one for one in classes_in(ast.parse(source)) if CLASS.fullmatch(one)}
    assert found == {"Odd", "Even", "Gone", "Wrong", "Lost"}
