"""Claims about the command line: what goes wrong is one plain line and an exit code; what it shows is true."""

import io
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import typer.main
from rich.console import Console
from typer.testing import CliRunner, Result

from detectors.weights import WEIGHTS
from pipeline import plan
from pipeline.records import Detections, Outcome, Source, Video
from pipeline.results import ResultsFolder
from reports.terminal import found_actions, next_steps
from run import app
from stages.write import Write

ROOT = Path(__file__).parents[1]
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def call(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, [str(one) for one in arguments])


def make_video(path: Path, *, seconds: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(5 * seconds):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), index % 256, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 5)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_results(out: Path, *, actions: int = 3, failed: int = 0) -> Path:
    """A video of 100 s whose action number i is from i to i + 0.5 s with a score that grows with i."""
    write = Write(
        ResultsFolder(out), class_names=["jump [high]"], metadata={"config_hash": "c"}, run_id="r", features=False
    )
    spans_N2 = np.stack([np.arange(actions), np.arange(actions) + 0.5], axis=1).astype(float)
    found = Detections(spans_N2, np.zeros(actions, np.int64), (np.arange(actions) + 1) / (actions + 1))
    video = Video("one.mp4", "/v/one.mp4", "f", 100.0, None, Fraction(25), 640, 360, "h264", 0, Fraction(0))
    write(Outcome(Source("one.mp4", "/v/one.mp4", 1), "f", video, found, end_s=100.0))
    for number in range(failed):
        write(Outcome(Source(f"{number}.mp4", f"/v/{number}.mp4", 1), "f", None, None))
    return out


def shown(renderable: object, *, width: int = 100) -> str:
    file = io.StringIO()
    Console(width=width, file=file).print(renderable)
    return file.getvalue()


# What goes wrong


def test_help_names_every_command() -> None:
    result = call("--help")
    assert result.exit_code == 0 and all(command in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    assert call(command, "--help").exit_code == 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--set", "frames.rte=10"], "frames.rte: unknown (did you mean rate?)"),
        (["--set", "frames.rate=-1"], "frames.rate: input should be 'auto', or input should be greater than 0, got -1"),
        (["--set", "nonsense"], "--set nonsense: write it as section.field=value"),
        (["--config", "no-such-config"], "no config 'no-such-config'"),
    ],
)
@pytest.mark.parametrize("command", ["detect", "plan"])
def test_bad_config_is_one_line_and_exit_code_2(tmp_path: Path, command: str, options: list[str], text: str) -> None:
    out = ["--out", tmp_path / "out"] if command == "detect" else []
    result = call(command, tmp_path, *out, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert text in result.stderr and result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["backbone.name", "backbone.weights", "localizer.name"])
def test_name_of_a_network_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path, field: str) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    result = call("plan", tmp_path, "--set", f"{field}=nonsense")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{field}: ") and "'nonsense'" in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["detect", "plan"])
def test_missing_or_empty_input_is_one_line_and_exit_code_2(tmp_path: Path, command: str) -> None:
    out = ["--out", tmp_path / "out"] if command == "detect" else []
    for given, text in ((tmp_path / "[no] such.mp4", "no videos in it"), (tmp_path, "no videos in it")):
        result = call(command, given, *out)
        assert result.exit_code == 2 and result.stderr == f"{given}: {text}\n"
    result = call(command, tmp_path / "none.mp4", *out)
    assert result.exit_code == 2 and result.stderr.endswith("none.mp4: no such file or folder\n")
    assert not (tmp_path / "out").exists()


def test_results_go_to_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "a.mp4", seconds=1)
    result = call("detect", "a.mp4", "--out", "s3://bucket/out", "--set", "backbone.weights=random")
    assert result.exit_code == 2 and "tables are written to a folder, not to a store" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_script_gives_its_exit_code_to_the_shell_without_a_stack_trace(tmp_path: Path) -> None:
    command = [sys.executable, "run.py", "detect", "no-such.mp4", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "no-such.mp4: no such file or folder\n"


# Backbones


def test_backbones_are_shown_with_what_they_cost_and_the_weights_there_are() -> None:
    result = call("backbones", "i3d", "slowfast_r101_16x8_detection")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["i3d", "12.7", "64", "@25", "222", "87", "695", "4.0", "3.12"] in rows
    assert ["i3d", "i3d_kinetics400", "not", "stated"] in rows
    assert ["slowfast_r101_16x8_detection", "none", "published", "-"] in rows


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["backbones", "i3e"], "no backbone 'i3e'; one of: audio_visual_bottleneck, "),
        (["bench", "--backbone", "i3e"], "no backbone 'i3e'; one of: audio_visual_bottleneck, "),
        (["bench", "--backbone", "swin3d_t"], "swin3d_t sees whole clips only"),
    ],
)
def test_backbone_that_cannot_be_shown_is_one_line_and_exit_code_2(arguments: list[str], text: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(text) and result.stderr.count("\n") == 1


def test_dense_and_windowed_are_measured_side_by_side() -> None:
    result = call("bench", "--backbone", "mc3_18", "--set", "engine.compute_frames=8")
    assert result.exit_code == 0
    row = next(line.split() for line in result.stdout.splitlines() if line.strip().startswith("mc3_18"))
    assert all(float(figure) > 0 for figure in row[1:6]) and row[6].endswith("%")


# Weights


def test_weights_list_names_all_of_them_in_any_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTRIMMED_CACHE", str(tmp_path / "none"))
    result = call("weights", "list")
    assert result.exit_code == 0 and all(name in result.stdout for name in WEIGHTS)


def test_unknown_weights_are_refused_with_those_that_there_are() -> None:
    result = call("weights", "fetch", "nonsense")
    assert result.exit_code == 1
    assert all(name in result.stderr for name in WEIGHTS) and result.stderr.count("\n") == 1


# Plan


def test_plan_shows_what_can_be_used_and_what_cannot_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "good [1].mp4", seconds=20)
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    result = call("plan", ".", "--set", "frames.rate=10", "--set", "segments.length_s=8")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.replace("│", " ").splitlines()]
    assert ["good", "[1].mp4", "0:20", "64x48", "5", "mpeg4", "2"] in rows
    assert any(row[:2] == ["broken.mp4", "NotAVideo"] for row in rows)
    assert "the file has zero bytes" in result.stdout
    assert ["videos", "1,", "and", "2", "that", "cannot", "be", "used"] in rows
    assert ["segments", "2"] in [row[:2] for row in rows] and ["frames", "200"] in [row[:2] for row in rows]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.mp4", "empty.mp4", "good [1].mp4"]


def test_plan_counts_key_frames_and_names_given_people_who_fit_no_input(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", seconds=2)
    make_video(tmp_path / "c.mp4", seconds=1)
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("a,1,0,0,1,1,7\nb,1,0,0,1,1,7\n")
    result = call("plan", tmp_path, "--set", "persons=on", "--set", f"persons.detector.boxes={boxes}")
    assert result.exit_code == 0, result.stderr
    assert ["key", "frames", "3"] in [line.split()[:3] for line in result.stdout.splitlines()]
    assert result.stderr.splitlines() == [
        "left out: people of 1 video not among the inputs: 'b'",
        f"nobody in 1 video that {boxes} does not list: 'c.mp4'",
    ]


def test_long_plan_lists_its_first_videos_and_counts_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MOST_ROWS", 3)
    first = make_video(tmp_path / "0.mp4", seconds=2).read_bytes()
    for number in range(1, 5):
        (tmp_path / f"{number}.mp4").write_bytes(first)
        (tmp_path / f"bad {number}.mp4").write_bytes(b"x")
    lines = call("plan", tmp_path).stdout.splitlines()
    assert sum("64x48" in line for line in lines) == 3 and "and 2 more videos" in lines
    assert sum("NotAVideo" in line for line in lines) == 3 and "and 1 more that cannot be used" in lines
    assert any(line.split()[:2] == ["videos", "5,"] for line in lines)


# Found actions


@pytest.mark.parametrize("width", [60, 80, 200])
def test_found_actions_fit_the_terminal_and_stand_in_order_of_time(tmp_path: Path, width: int) -> None:
    text = shown(found_actions(make_results(tmp_path, failed=2)), width=width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    starts = [line.split("jump [high]")[1].split()[:3] for line in lines if "jump [high]" in line]
    assert starts == [["0:00.0", "0:00.5", "0.25"], ["0:01.0", "0:01.5", "0.50"], ["0:02.0", "0:02.5", "0.75"]]
    assert "3 actions; videos: 1 ok, 2 failed" in text


def test_of_many_actions_the_best_are_shown(tmp_path: Path) -> None:
    text = shown(found_actions(make_results(tmp_path, actions=60)))
    assert text.count("one.mp4") == 16 and "0:43.5" not in text and "0:44.0" in text
    assert "60 actions, the best 16 of them shown" in text


def test_timeline_is_as_long_as_the_video(tmp_path: Path) -> None:
    text = shown(found_actions(make_results(tmp_path, actions=99)), width=200)
    bar = next(line for line in text.splitlines() if "1:38.0" in line).split()[-1]
    assert len(bar) > 40 and set(bar) == {"─", "█"}
    assert bar.index("█") / len(bar) == pytest.approx(0.98, abs=1 / len(bar))


def test_next_steps_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    out = make_results(tmp_path / 'it\'s [my] "out" $HOME')
    commands = [line for line in next_steps(out).splitlines() if line.startswith("uv run run.py query")]
    assert len(commands) == 2
    for command in commands:
        python = command.replace("uv run", sys.executable, 1)
        done = subprocess.run(["bash", "-c", python], capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        assert "jump [high]" in done.stdout
