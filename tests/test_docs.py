"""README and docs claim nothing that does not run: every command, query, program and config in them is executed."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer
from docs_world import ROOT, blocks, copy_of, execute, lines, make_cache, make_world, outlined, typed
from matplotlib import pyplot

from annotations.read import read_annotations
from detectors.backbones import BACKBONES, PUBLISHED, create
from detectors.checkpoints import keys_in
from pipeline.config import load_config
from pipeline.database import query
from run import app

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
TABLES: tuple[dict[str, Any], ...] = (BACKBONES, PUBLISHED)
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(#[^)\s]*)?\)")
# Run by whoever reads this, or by .ci/run: a test cannot run itself.
SET_UP = {"uv run pytest", "uv sync --extra notebook"}


def checkpoint() -> dict[str, object]:
    """A state dict as pytorchvideo has it."""
    network = create("slowfast_r50_8x8")
    keys = keys_in(network, "pytorchvideo") or {}
    return {"state_dict": {keys[key]: tensor for key, tensor in network.state_dict().items()}}


GIVEN: dict[str, Callable[[], dict[str, object]]] = {"README.md": checkpoint}  # what a page has of its reader


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("docs")
        patch.setenv("UNTRIMMED_CACHE", str(make_cache(folder / "cache")))
        yield make_world(folder / "world")


@pytest.fixture
def here(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the world, and in it; what a page adds to the tables of networks goes again."""
    monkeypatch.chdir(copy_of(world, tmp_path / "world"))
    before = [(table, dict(table)) for table in TABLES]
    yield tmp_path / "world"
    for table, entries in before:
        table.clear()
        table.update(entries)


def pages(*languages: str) -> list[Path]:
    return [page for page in PAGES if any(block.language in languages for block in blocks(page))]


def name(page: Path) -> str:
    return f"{page.parent.name}-{page.stem}"


@pytest.mark.network
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page in pages("sh", "sql", "python") or typed(page)], ids=name
)
def test_page_works_from_top_to_bottom(page: Path, here: Path) -> None:
    names: dict[str, object] = {"__name__": "page"} | GIVEN.get(page.name, dict)()
    for block in blocks(page):
        if block.name:
            (here / block.name).parent.mkdir(parents=True, exist_ok=True)
            (here / block.name).write_text(block.text)
        if block.language == "sh":
            for command in lines(block.text):
                run_command(command)
        elif block.language == "sql":
            for statement in duckdb.extract_statements(block.text):
                assert query(Path("results"), statement.query, lambda rows: rows.columns), statement.query
        elif block.language == "python":
            exec(compile(block.text, f"{page.name}:{block.line}", "exec"), names)
    for command in typed(page):
        run_command(command)
    pyplot.close("all")


def run_command(command: str) -> None:
    command = command.removeprefix("pip install uv && ")
    if command in SET_UP:
        return
    if command.startswith("python -c"):
        run_on_a_cpu(command)
        return
    exit_code, output = execute(command)
    assert exit_code == 0, f"{command}\n{output}"


def run_on_a_cpu(command: str) -> None:
    """A program for a GPU, with less to do."""
    program = command.removeprefix('python -c "').removesuffix('"')
    program = re.sub(r"\('off', .*?\)", "('off',)", program).replace("chunk_frames=256", "chunk_frames=8, repeats=1")
    exec(program.replace("'cuda'", "'cpu'").replace("['i3d', 'slowfast_r50_8x8']", "['mc3_18']"), {})


@pytest.mark.parametrize("page", [page for page in PAGES if outlined(page)], ids=name)
def test_what_needs_a_cluster_or_a_store_is_at_least_a_command(page: Path) -> None:
    for command in outlined(page):
        words = shlex.split(command)[3:]
        group = typer.main.get_command(app)
        context = group.make_context("run.py", list(words), resilient_parsing=True)
        called, subcommand, rest = group.resolve_command(context, words)  # type: ignore[attr-defined]
        subcommand.make_context(called, rest)  # raises what the user would be told


@pytest.mark.parametrize("page", pages("yaml"), ids=name)
def test_configs_of_a_page_are_taken(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.language == "yaml":
            (tmp_path / "one.yaml").write_text(block.text)
            load_config(str(tmp_path / "one.yaml"))


@pytest.mark.parametrize("page", pages("csv"), ids=name)
def test_annotations_of_a_page_are_read(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.language == "csv" and "label" in block.text:
            (tmp_path / "actions.csv").write_text(block.text)
            assert len(read_annotations(tmp_path / "actions.csv").spans) > 0


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_is_run_or_plain_text(page: Path) -> None:
    known = {"sh", "sql", "python", "yaml", "csv", "text"}
    assert [(block.line, block.language) for block in blocks(page) if block.language not in known] == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        path = (page.parent / target).resolve()
        assert path.exists(), target
        if anchor:
            assert anchor[1:] in anchors(path), f"{target}{anchor}"


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
