"""README and docs claim nothing that does not run: every command, query, program and config in them is executed."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from docs_world import ROOT, blocks, commands, copy_of, execute, make_cache, make_world
from matplotlib import pyplot

from annotations.read import read_annotations
from detectors.backbones import create
from detectors.checkpoints import keys_in
from pipeline.config import load_config
from pipeline.database import query

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(#[^)\s]*)?\)")
# Run by whoever reads this, or by .ci/run: a test cannot run itself.
SET_UP = {"uv run pytest", "uv sync --extra notebook"}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("docs")
        patch.setenv("UNTRIMMED_CACHE", str(make_cache(folder / "cache")))
        yield make_world(folder / "world")


@pytest.fixture
def here(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the world, and in it."""
    monkeypatch.chdir(copy_of(world, tmp_path / "world"))
    return tmp_path / "world"


def pages(*languages: str) -> list[Path]:
    return [page for page in PAGES if any(block.language in languages for block in blocks(page))]


def name(page: Path) -> str:
    return page.stem


@pytest.mark.network
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=name)
def test_commands_of_a_page_work_one_after_the_other(page: Path, here: Path) -> None:
    for command in commands(page):
        command = command.removeprefix("pip install uv && ")
        if command in SET_UP:
            continue
        if command.startswith("python -c"):
            run_on_a_cpu(command)
            continue
        exit_code, output = execute(command)
        assert exit_code == 0, f"{command}\n{output}"


def run_on_a_cpu(command: str) -> None:
    """A program for a GPU, with less to do."""
    program = command.removeprefix('python -c "').removesuffix('"')
    program = re.sub(r"\('off', .*?\)", "('off',)", program).replace("chunk_frames=256", "chunk_frames=8, repeats=1")
    exec(program.replace("'cuda'", "'cpu'").replace("['i3d', 'slowfast_r50_8x8']", "['mc3_18']"), {})


@pytest.mark.network
@pytest.mark.parametrize("page", pages("sql"), ids=name)
def test_queries_of_a_page_have_answers(page: Path, here: Path) -> None:
    for block in blocks(page):
        if block.language == "csv" and block.name:
            (here / block.name).write_text(block.text)
        if block.language == "sql":
            for statement in duckdb.extract_statements(block.text):
                assert query(Path("results"), statement.query, lambda rows: rows.columns), statement.query


@pytest.mark.network
@pytest.mark.parametrize("page", pages("python"), ids=name)
def test_programs_of_a_page_run_in_order(page: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(here), *sys.path])
    names: dict[str, object] = {"__name__": "page"}
    if page.name == "README.md":
        network = create("slowfast_r50_8x8")
        keys = keys_in(network, "pytorchvideo") or {}
        names["state_dict"] = {keys[key]: tensor for key, tensor in network.state_dict().items()}
    for block in blocks(page):
        if block.language == "python":
            if block.name:
                (here / block.name).parent.mkdir(parents=True, exist_ok=True)
                (here / block.name).write_text(block.text)
            exec(compile(block.text, f"{page.name}:{block.line}", "exec"), names)
    pyplot.close("all")


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


@pytest.mark.parametrize("page", PAGES, ids=name)
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
