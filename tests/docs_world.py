"""A folder in which everything that README and docs tell to type can be typed, and how its costs are kept down."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from detectors import weights
from run import app
from stages.compose import Clip, compose

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```(\S*) ?(.*)\n((?:.*\n)*?)^```$", re.MULTILINE)
_TYPED = re.compile(r"`(uv run run\.py [^`\n]+)`")

_SMALL = ("frames.short_side=64", "backbone.precision=float32", "localizer.nms.min_score=0.0")
_BRIEF = ("training.epochs=2", "training.warmup_epochs=1", "localizer.anchor_free.network.channels=16")
_PEOPLE = (
    *("persons.detector.min_score=0.05", "persons.tracking.low_score=0.05", "persons.tracking.high_score=0.1"),
    *("persons.actions.min_score=0.0", "persons.tubes.start_score=0.0", "persons.tubes.keep_score=0.0"),
)
_ACTIONS = """\
video,start_s,end_s,label,subset
day1.mp4,0,3.5,vault,training
day1.mp4,3.5,6.5,ride,training
day2.mp4,0,3,vault,validation
day2.mp4,3,6,ride,validation
"""
_CLASSES = "id,name\n1,stand\n2,fly\n"
_REACHABLE = ("i3d_kinetics400", "person_ssdlite", "sample_people", "sample_street")  # by the package index alone
# What stands for something of the reader's.
_STANDS_FOR = {"VIDEO": "RECORDINGS/day1.mp4", "QUERY": "from segments", "SECTION": "localizer"}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced piece of a page."""

    language: str
    name: str  # of the file that it is, or nothing
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        yield Block(match[1], match[2].strip(), match[3], text[: match.start()].count("\n") + 1)


def typed(page: Path) -> list[str]:
    """Commands within sentences."""
    return list(dict.fromkeys(_TYPED.findall(FENCE.sub("", page.read_text(encoding="utf-8")))))


def outlined(page: Path) -> list[str]:
    """Commands of ours in blocks of text: their places are not here."""
    text = [line for block in blocks(page) if block.language == "text" for line in lines(block.text)]
    return [line for line in text if line.startswith("uv run run.py")]


def lines(text: str) -> Iterator[str]:
    """Whole commands: a quote or a backslash goes on in the next line; comments go."""
    held = ""
    for line in text.splitlines():
        held = f"{held}\n{line}" if held else line
        if held.endswith("\\"):
            held = held[:-1]
        elif held.count('"') % 2 == 0 and held.strip():
            if command := re.sub(r"\s+#[^'\"]*$|^#.*", "", held).strip():
                yield command
            held = ""


def make_world(folder: Path) -> Path:
    """Recordings, annotations of them, and the results of a run."""
    people, street = weights.fetch("sample_people"), weights.fetch("sample_street")
    (folder / "RECORDINGS").mkdir(parents=True)
    compose(
        [Clip(people, 2.0, 5.5), Clip(street, 0.0, 3.0)], folder / "RECORDINGS/day1.mp4", width=192, height=128, fps=25
    )
    compose(
        [Clip(people, 4.0, 7.0), Clip(street, 3.0, 6.0)], folder / "RECORDINGS/day2.mp4", width=192, height=128, fps=25
    )
    shutil.copytree(ROOT / "configs", folder / "configs")
    (folder / "actions.csv").write_text(_ACTIONS)
    (folder / "truth.csv").write_text(_ACTIONS.replace("end_s", "stop_s"))
    (folder / "classes.csv").write_text(_CLASSES)
    (folder / "boxes.csv").write_text(
        "".join(
            f"day{day},{second},{0.3 + 0.1 * day},0.2,{0.5 + 0.1 * day},0.9,{1 + second % 2},7\n"
            for day in (1, 2)
            for second in range(6)
        )
    )
    here = Path.cwd()
    os.chdir(folder)
    try:
        for command in (
            "uv run run.py export truth.csv --to activitynet --out truth.json --annotations",
            "uv run run.py detect RECORDINGS --out results --set persons=on",
        ):
            exit_code, output = execute(command)
            assert exit_code == 0, output
    finally:
        os.chdir(here)
    return folder


def make_cache(folder: Path) -> Path:
    """The weights that there are, and no features: what a page does to the cache it does to this one."""
    folder.mkdir()
    for name in _REACHABLE:
        place = weights.fetch(name).relative_to(weights.cache_folder()).parts[0]
        (folder / place).symlink_to(weights.cache_folder() / place)
    return folder


def execute(command: str) -> tuple[int, str]:
    """Exit code and output of a command of ours, in the current folder, as it stands but for what makes it cheap."""
    words = [_STANDS_FOR.get(word, word) for word in shlex.split(command)]
    assert words[:3] == ["uv", "run", "run.py"], command
    words = cheaper(words[3:])
    if words[0] == "bench" and "--backbone" not in words:  # Ray's workers find this project only beside run.py
        run = [sys.executable, str(ROOT / "run.py"), *words]
        done = subprocess.run(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout
    result = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, words)
    return result.exit_code, f"{result.output}{result.exception or ''}"


def cheaper(words: list[str]) -> list[str]:
    """The same command with less to do: small pictures, few epochs, one process."""
    sets: tuple[str, ...] = ()
    match words[0]:
        case "detect":
            sets = (*_SMALL, *_PEOPLE)
            words = [*words, "--engine", "local"]
        case "train":
            sets = (*_SMALL[:2], *_BRIEF)
            words = [*words, "--engine", "local"]
        case "demo":
            Path("small.yaml").write_text("{frames: {short_side: 64, rate: 12.5}, backbone: {precision: float32}}")
            words = [*words, "--config", "small.yaml", "--engine", "local"]
        case "weights" if words[1:] == ["fetch"]:
            words = [*words, *_REACHABLE]
        case "bench":
            words = [word for word in words if word not in ("--repeats", "3")]
            if "--backbone" in words:
                words = ["bench", "--backbone", "mc3_18", "--set", "engine.compute_frames=8"]
            else:
                sets = _SMALL
                words = [*words, "RECORDINGS/day1.mp4", "--copies", "1"]
    return [*words, *(part for one in sets for part in ("--set", one))]


def copy_of(world: Path, folder: Path) -> Path:
    return shutil.copytree(world, folder, symlinks=True)
