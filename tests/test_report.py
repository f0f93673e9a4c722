"""The page as a file: what is in it, what a browser may do with it, how large it is, and the command that writes it."""

import base64
import json
import re
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from recordings import record
from report_folders import action, commit_video, many_actions, person, tube
from typer.testing import CliRunner

from annotations.errors import AnnotationError
from pipeline.opening import fingerprint
from reports.page import report
from reports.page.pictures import Taken
from reports.page.report import write_report
from reports.page.rows import read_rows
from reports.page.text import clock, length, read_about, runs, size, troubles
from run import app

EVIL = "</script><img src=x onerror=alert(1)>&\"'<!--"


def page(folder: Path, **options: float | bool) -> str:
    write_report(folder, folder / "report.html", **options)  # type: ignore[arg-type]
    return (folder / "report.html").read_text(encoding="utf-8")


def element(text: str, name: str) -> str:
    match = re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script>', text, re.DOTALL)
    assert match is not None
    return match[1]


def columns(text: str, count: int) -> list[list[float]]:
    data = base64.b64decode(element(text, "columns"))
    wide = np.frombuffer(data[: 16 * count], "<u4").reshape(4, count)
    return [*wide.tolist(), np.frombuffer(data[16 * count :], "<u2").tolist()]


def test_page_holds_every_detection_and_its_scores_pass_no_threshold_they_are_below(tmp_path: Path) -> None:
    segments = [action(1.5, 2.25, "run", 0.29), action(3.0, 4.0, "hop", 0.2999999)]
    commit_video(tmp_path, "a.mp4", {"segments": segments, "tubes": [tube(5, 0.0, 2.0, "run", 1.0)]})
    text = page(tmp_path)
    assert columns(text, 3) == [[1500, 3000, 0], [750, 1000, 2000], [1, 0, 2], [0, 0, 6], [2900, 2999, 10000]]
    overview = json.loads(element(text, "overview"))
    assert [label["name"] for label in overview["labels"]] == ["hop", "run", "run"]
    assert overview["videos"]["name"] == ["a.mp4"] and overview["videos"]["first"] == [0, 3]


def test_names_from_files_end_no_element_and_are_no_markup(tmp_path: Path) -> None:
    lost = [{"start_s": 1.0, "stop_s": 2.0, "reason": EVIL}]
    rows = {"segments": [action(0, 1, EVIL, 0.5)]}
    commit_video(tmp_path, f"{EVIL}.mp4", rows, status="partial", error_class=EVIL, error=EVIL, lost_spans=lost)
    text = page(tmp_path)
    assert "<img" not in text and "<!--" not in text
    assert text.count("</script>") == text.count("<script") == 4
    assert json.loads(element(text, "overview"))["labels"][0]["name"] == EVIL
    assert json.loads(element(text, "video-0"))["lost"] == [[1.0, 2.0, EVIL]]


def test_browser_may_run_the_pages_own_script_and_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    text = page(commit_video(tmp_path, "a.mp4", {"segments": [action(0, 1, "x", 0.5)]}))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    rules = policy[1].replace("&#39;", "'")
    assert rules.startswith("default-src 'none';") and "http" not in rules and "unsafe" not in rules
    for kind, pattern in (("style", r"<style>(.*?)</style>"), ("script", r"<script>(.*?)</script>")):
        [content] = re.findall(pattern, text, re.DOTALL)
        assert f"{kind}-src 'sha256-{base64.b64encode(sha256(content.encode()).digest()).decode()}'" in rules
    assert not re.search(r"https?://", text)


def test_video_beside_the_page_is_found_from_it_and_others_by_their_whole_path(tmp_path: Path) -> None:
    results, elsewhere = tmp_path / "out", tmp_path / "videos"
    for folder in (results / "in it", elsewhere):
        folder.mkdir(parents=True)
        (folder / "a #1 ü.mp4").write_bytes(b"x")
    uris = [results / "in it/a #1 ü.mp4", elsewhere / "a #1 ü.mp4", elsewhere / "gone.mp4", "s3://bucket/a.mp4", None]
    for number, uri in enumerate(uris):
        commit_video(results, f"{number}.mp4", uri=uri and str(uri))
    hrefs = json.loads(element(page(results, has_pictures=False), "overview"))["videos"]["href"]
    assert [href and unquote(href) for href in hrefs] == [
        "./in it/a #1 ü.mp4",
        f"file://{elsewhere}/a #1 ü.mp4",
        None,
        None,
        None,
    ]
    assert "#" not in hrefs[0] and " " not in hrefs[1]


def test_pictures_are_in_the_page_with_the_boxes_of_people(tmp_path: Path) -> None:
    video = record(tmp_path / "a.mp4", frames=100)
    rows = {
        "segments": [action(0, 3, "run", 0.5)],
        "tubes": [tube(1, 0.0, 3.0, "walk", 0.8), tube(2, 0.0, 4.0, None, None)],
        "persons": [person(1, time_s, (0.25, 0.5, 0.75, 1.0)) for time_s in (0, 1, 2, 3)],
    }
    commit_video(tmp_path, "a.mp4", rows, uri=str(video), duration_s=4.0)
    block = json.loads(element(page(tmp_path), "video-0"))
    assert [time_s for time_s, _ in block["pictures"]] == [0.5, 1.5, 2.5]
    assert base64.b64decode(block["pictures"][0][1])[8:12] == b"WEBP"
    people = block["people"]
    assert people["tracks"] == [1, 2] and people["spans"] == [[0, 0.0, 3.5], [1, 0.0, 4.0]]
    boxes = base64.b64decode(people["boxes"])
    assert np.frombuffer(boxes[:16], "<u4").tolist() == [0, 1000, 2000, 3000]
    assert np.frombuffer(boxes[32:40], "<u2").tolist() == [16384, 32768, 49151, 65535]
    assert "pictures" not in element(page(tmp_path, has_pictures=False), "video-0")


def test_pictures_beyond_the_budget_are_left_out_the_least_wanted_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "PICTURE_CHARACTERS", 4 * 400)
    taken = {number: Taken({float(instant): bytes(300) for instant in range(9)}) for number in (0, 1)}
    kept = report._within_budget(taken, {1: [8.0, 1.0, 2.0], 0: [77.0, 4.0, 5.0]})
    assert {number: list(pictures) for number, pictures in kept.items()} == {1: [8.0, 1.0, 2.0], 0: [4.0]}


def test_hundred_videos_stay_below_ten_megabytes_and_more_grow_by_their_rows(tmp_path: Path) -> None:
    """With the largest pictures there is room for; files of a video are not needed for that."""
    for number in range(100):
        commit_video(tmp_path, f"{number:03}.mp4", {"segments": many_actions(60, 20, 600.0)}, duration_s=600.0)
    without = len(page(tmp_path))
    assert without + report.PICTURE_CHARACTERS < 9_000_000
    assert without < 400_000


def test_page_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    commit_video(tmp_path, "a.mp4")
    with pytest.raises(AnnotationError, match="choose another place"):
        write_report(tmp_path, tmp_path / "videos")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


# Runs and failures in words


def test_runs_are_told_with_their_speed_and_only_the_last_ones_config(tmp_path: Path) -> None:
    commit_video(tmp_path, "a.mp4", {"segments": many_actions(7, 3, 60.0)}, run_id="20260102T030405", infer_s=90.0)
    commit_video(tmp_path, "b.mp4", run_id="20260203T101112", status="failed", duration_s=None, decode_s=0.0)
    commit_video(tmp_path, "c.mp4", {"tubes": [tube(1, 0, 1, "walk", 0.5)]}, run_id="20260203T101112")
    commit_video(tmp_path, "d.mp4", run_id=None)
    config = {"backbone": {"name": "i3d", "weights": "i3d_kinetics400"}, "localizer": {"name": "off", "weights": None}}
    persons = {"switch": "on", "detector": {"name": "ssdlite_person", "weights": "auto"}}
    about = {"run_id": "20260203T101112", "config": config | {"persons": persons}}
    (tmp_path / "run.json").write_text(json.dumps(about))
    told = runs(read_rows(tmp_path), read_about(tmp_path))
    assert [(run.started, run.videos, run.length, run.actions, run.people) for run in told] == [
        ("not recorded", "1 ok", "1 min 0 s", "0", "0"),
        ("2 Jan 2026, 03:04", "1 ok", "1 min 0 s", "7", "0"),
        ("3 Feb 2026, 10:11", "1 ok, 1 failed", "1 min 0 s", "0", "1"),
    ]
    assert [(run.decode, run.backbone) for run in told] == [("10.0×", "2.0×"), ("10.0×", "0.67×"), ("10.0×", "2.0×")]
    assert [run.config for run in told] == ["", "", "i3d (i3d_kinetics400), ssdlite_person"]


@pytest.mark.parametrize("content", [None, "", "[1]", "{nothing", '{"config": null}'])
def test_run_without_a_description_is_told_all_the_same(tmp_path: Path, content: str | None) -> None:
    commit_video(tmp_path, "a.mp4")
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    assert [run.config for run in runs(read_rows(tmp_path), read_about(tmp_path))] == [""]


def test_troubles_are_grouped_by_reason_the_most_frequent_first(tmp_path: Path) -> None:
    commit_video(tmp_path, "ok.mp4")
    lost = [{"start_s": 1.0 * number, "stop_s": number + 0.5, "reason": "damaged"} for number in range(20)]
    commit_video(tmp_path, "half.mp4", status="partial", error_class="Damaged", error="bytes", lost_spans=lost)
    for number in range(60):
        commit_video(
            tmp_path, f"gone{number:02}.mp4", status="failed", error_class="NotFound", error="the file is gone"
        )
    first, second = troubles(read_rows(tmp_path))
    assert (first.error_class, first.count, len(first.listed), first.unlisted) == (
        "NotFound",
        "60 videos: 60 failed",
        50,
        10,
    )
    assert second.count == "1 video: 1 partial; 10.0 s lost"
    assert second.listed[0].lost[0] == "0:00:00.0 to 0:00:00.5: damaged" and second.listed[0].lost[-1] == "and 8 more"


def test_numbers_in_words() -> None:
    assert [length(seconds) for seconds in (7.66, 59.99, 66, 3599, 44_640)] == [
        "7.7 s",
        "1 min 0 s",
        "1 min 6 s",
        "59 min 59 s",
        "12.4 h",
    ]
    assert [clock(seconds) for seconds in (0, 59.96, 3661.25)] == ["0:00:00.0", "0:01:00.0", "1:01:01.2"]
    assert [size(number) for number in (640_400, 9_300_000)] == ["640 KB", "9.3 MB"]


# The command


def test_command_says_where_the_page_is_and_what_it_lacks(tmp_path: Path) -> None:
    video = record(tmp_path / "here.mp4", frames=50)
    found = {"segments": [action(0, 2, "run", 0.5)]}
    same = fingerprint(str(video), video.stat().st_size)
    commit_video(tmp_path, "here.mp4", found, uri=str(video), fingerprint=same)
    commit_video(tmp_path, "changed.mp4", found, uri=str(video), fingerprint="another")
    commit_video(tmp_path, "gone.mp4", found)
    told = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert told.exit_code == 0
    out = tmp_path / "report.html"
    assert f"{out}: " in told.stdout and "3 videos, 3 actions" in told.stdout
    assert told.stdout.splitlines()[-1] == f"open it in a browser: {out.as_uri()}"
    assert "no new pictures of 1 video: gone or unreadable" in told.stderr
    assert "no new pictures of 1 video: not what the run read" in told.stderr
    overview = json.loads(element(out.read_text(encoding="utf-8"), "overview"))
    assert overview["videos"]["href"] == [None, None, "./here.mp4"]
    assert (tmp_path / "_pictures").is_dir() and len(read_rows(tmp_path).videos) == 3


def test_command_writes_elsewhere_and_leaves_out_what_is_not_wanted(tmp_path: Path) -> None:
    commit_video(tmp_path / "in", "a.mp4", {"segments": [action(0, 2, "run", 0.5), action(0, 2, "hop", 0.4)]})
    out = tmp_path / "new folder" / "page.html"
    told = CliRunner().invoke(
        app, ["report", str(tmp_path / "in"), "--out", str(out), "--min-score", "0.45", "--no-pictures"]
    )
    assert told.exit_code == 0 and "1 video, 1 action" in told.stdout and not told.stderr
    assert "hop" not in out.read_text(encoding="utf-8") and not (tmp_path / "in" / "_pictures").exists()


def test_command_refuses_what_is_no_results_folder_in_one_line(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert told.exit_code == 2 and "is no results folder" in told.stderr and told.stderr.count("\n") == 1
