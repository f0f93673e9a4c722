"""Claims about what the feature cache is said to hold, and about what is removed of it."""

import json
import os
import time
from pathlib import Path

import pytest
from test_cli import call
from test_feature_cache import MADE_WITH, entry

from pipeline.cache_upkeep import ABANDONED_AFTER_S, clear, holdings
from pipeline.feature_cache import FOLDER, MARKER, FeatureCache, FeatureSettings

PEOPLE = {"rate": 1.0, "window_s": 1.0, "detector": {"name": "ssdlite_person", "weights": "p", "boxes": None}}
SLOWFAST = FeatureSettings(
    "s", {"name": "slowfast", "weights": "/my/w.pth", "precision": "float32"}, MADE_WITH.frames, PEOPLE
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureCache:
    """Two videos of I3D, one of them kept ten days ago, one of SlowFast, and one that is not finished."""
    monkeypatch.setenv("UNTRIMMED_CACHE", str(tmp_path))
    cache = FeatureCache(tmp_path / FOLDER)
    for key, made_with, days in (("0", MADE_WITH, 0), ("1", MADE_WITH, 10), ("2", SLOWFAST, 0)):
        work = entry(cache, key * 16, marked=False)
        cache.mark(work, 1800.0, (), made_with)
        marker = cache.entry(key * 16) / MARKER
        marker.write_text(json.dumps(json.loads(marker.read_text()) | {"kept_at": time.time() - days * 24 * 3600}))
    entry(cache, "3" * 16, marked=False)
    return cache


def keys(cache: FeatureCache) -> list[str]:
    """First digits of what is there in whole or part."""
    return [folder.name[0] for folder in cache.entries()]


def age(cache: FeatureCache, key: str, seconds: float) -> None:
    for path in cache.entry(key * 16).iterdir():
        os.utime(path, (time.time() - seconds, time.time() - seconds))


def test_list_has_a_line_for_each_setting_the_totals_and_the_folder(cache: FeatureCache) -> None:
    result = call("cache", "list")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert ["i3d", "w", "auto", "25/s,", "224", "px,", "keep", "-", "2", "1.00", "0.0", "MB"] in rows
    people = ["1/s,", "ssdlite_person"]
    assert [
        "slowfast",
        "/my/w.pth",
        "float32",
        "25/s,",
        "224",
        "px,",
        "keep",
        *people,
        "1",
        "0.50",
        "0.0",
        "MB",
    ] in rows
    assert ["total", "3", "1.50", "0.0", "MB"] in rows
    assert "and 2 files of videos that are not finished, 0.0 MB" in result.stdout
    assert rows[-1] == ["cache", "folder:", str(cache.folder)]


def test_sizes_are_those_of_the_files(cache: FeatureCache) -> None:
    found, unfinished = holdings(cache)
    on_disk = sum(path.stat().st_size for path in cache.folder.glob("*/*.npz"))
    assert sum(one.amount.size for one in found) + unfinished.size == on_disk


def test_clear_removes_everything_and_says_how_much(cache: FeatureCache) -> None:
    result = call("cache", "clear")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "removed 3 videos, 1.50 h, 0.0 MB",
        "and 2 files of videos that were not finished, 0.0 MB",
    ]
    assert list(cache.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "left"),
    [(["--older-than", "5"], "023"), (["--backbone", "slowfast"], "013"), (["--older-than", "20"], "0123")],
)
def test_a_choice_removes_what_is_chosen_and_leaves_work_under_way(
    cache: FeatureCache, options: list[str], left: str
) -> None:
    assert call("cache", "clear", *options).exit_code == 0
    assert keys(cache) == list(left)


def test_a_choice_removes_what_was_abandoned_a_day_ago(cache: FeatureCache) -> None:
    age(cache, "3", ABANDONED_AFTER_S + 60)
    videos, unfinished = clear(cache, older_than_s=20 * 24 * 3600)
    assert (videos.videos, unfinished.files, keys(cache)) == (0, 2, list("012"))


def test_an_entry_that_no_longer_counts_is_like_one_that_is_not_finished(cache: FeatureCache) -> None:
    min(cache.entry("0" * 16).glob("*.npz")).unlink()
    assert holdings(cache)[0][0].amount.videos == 1
    clear(cache, backbone="nonsense")
    assert (cache.entry("0" * 16) / MARKER).exists()  # it may be under repair
    age(cache, "0", ABANDONED_AFTER_S + 60)
    clear(cache, backbone="nonsense")
    assert keys(cache) == list("123")


def test_what_is_not_ours_stays(cache: FeatureCache) -> None:
    (cache.folder / "notes").mkdir()
    foreign = [cache.folder / "notes" / "a.npz", cache.entry("0" * 16) / "mine.txt"]
    for path in foreign:
        path.write_text("mine")
    assert call("cache", "clear").exit_code == 0
    assert sorted(path for path in cache.folder.rglob("*") if path.is_file()) == sorted(foreign)


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTRIMMED_CACHE", str(tmp_path / "none"))
    for command in ("list", "clear"):
        result = call("cache", command)
        assert result.exit_code == 0 and "0.00" in result.stdout
    assert list(tmp_path.iterdir()) == []
