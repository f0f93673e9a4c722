"""The command `annotations check`: what annotations hold, what is missing and what looks wrong."""

from pathlib import Path
from typing import Any

import pytest
from annotation_samples import RESULTS, put
from test_cli import make_video
from typer.testing import CliRunner, Result

from run import app

SOUND: list[dict[str, Any]] = [{"segment": [n / 4, n / 4 + 0.2], "label": "run"} for n in range(5)]


def check(path: Path, *options: object) -> Result:
    environment = {"COLUMNS": "80", "TERM": "dumb"}
    return CliRunner(env=environment).invoke(app, ["annotations", "check", *map(str, [path, *options])])


def database(**videos: dict[str, Any]) -> dict[str, Any]:
    return {"database": {name: {"annotations": SOUND} | about for name, about in videos.items()}}


def test_sound_annotations_are_counted_and_nothing_is_suspicious(tmp_path: Path) -> None:
    result = check(put(tmp_path / "a.json", database(a={"subset": "train"}, b={"subset": "val"}, c={"subset": "val"})))
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == f"{tmp_path / 'a.json'}: videos 3 (train 1, val 2), instances 15, classes 1"
    rows = [line.split() for line in lines]
    assert ["run", "15", "3", "3", "0.2", "0.2", "0.2", "0.2", "0.2"] in rows
    assert ["class", "train", "val"] in rows and ["run", "5", "10"] in rows
    assert "pairs of instances that overlap: 0 of one class, 0 of two" in lines
    assert lines[-1] == "nothing suspicious"


def test_all_that_is_suspicious_is_shown_and_is_no_error(tmp_path: Path) -> None:
    more = [{"segment": [0, 0.2], "label": "run"}, {"segment": [3, 3.01], "label": "[Run]"}]
    result = check(put(tmp_path / "a.json", database(a={"annotations": SOUND + more})))
    assert result.exit_code == 0
    assert "duplicate: 1\n  a [0, 0.2] run: the same span of the same class was there before\n" in result.stdout
    assert "short span: 1\n  a [3, 3.01] [Run]: 0.01 s long, shorter than 0.1 s\n" in result.stdout
    assert "rare class: 1\n  [Run]: 1 instance, fewer than 5\n" in result.stdout


def test_videos_are_found_probed_and_compared(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    make_video(tmp_path / "v" / "a.mp4", seconds=4)
    (tmp_path / "v" / "b.mp4").write_bytes(b"not a video")
    make_video(tmp_path / "v" / "other subset.mp4", seconds=1)
    make_video(tmp_path / "v" / "new.mp4", seconds=1)
    videos = {"a": {"duration": 9.0}, "b": {}, "gone": {}}
    document = database(**{name: about | {"subset": "val"} for name, about in videos.items()})
    document["database"]["other subset"] = {"subset": "train", "duration": 9.0, "annotations": SOUND}
    result = check(put(tmp_path / "a.json", document), "--subset", "val", "--videos", tmp_path / "v")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert "annotated, but not among the files: 1 video: 'gone'" in lines
    assert "among the files, but without annotations: 1 video: 'new.mp4'" in lines
    assert any(line.startswith("cannot be read: 'b.mp4': NotAVideo: ") for line in lines)
    assert lines[lines.index("duration: 1") + 1] == "  a: 9 s in the annotations, 4 s in the file"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--subset", "test"], "no video is in subset 'test'; the file tells no subsets"),
        (["--videos", "nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_what_cannot_be_is_one_plain_line_and_exit_code_2(tmp_path: Path, options: list[str], message: str) -> None:
    result = check(put(tmp_path / "a.json", database(a={})), *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr and result.stderr.count("\n") == 1


def test_file_that_cannot_be_used_is_refused_with_all_its_problems(tmp_path: Path) -> None:
    result = check(put(tmp_path / "r.json", RESULTS))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{tmp_path / 'r.json'}: holds predictions, not annotations")
    bad = [{"segment": [2, 1], "label": "run"}, {"segment": [1, 2]}]
    result = check(put(tmp_path / "a.json", database(a={"annotations": bad})))
    assert result.exit_code == 2
    assert [line.split(": ")[1] for line in result.stderr.splitlines()] == [
        "video 'a', annotations[0]",
        "video 'a', annotations[1]",
    ]
