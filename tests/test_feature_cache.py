"""Claims about entries of the feature cache: they count when they are whole, and come back as they went in."""

import threading
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
from test_results import VIDEO, features, result, source

from pipeline.feature_cache import FeatureCache, FeatureSettings
from pipeline.ledger import VideoWork
from pipeline.records import Failure, Segment
from pipeline.spool import DamagedSegments, write_segment

FRAMES = {"rate": 25.0, "short_side": 224, "fit": "keep"}
MADE_WITH = FeatureSettings("h", {"name": "i3d", "weights": "w", "precision": "auto"}, FRAMES)


def entry(cache: FeatureCache, key: str, *, count: int = 2, marked: bool = True) -> VideoWork:
    """A video of 8 s in segments of 3 steps."""
    cut = [Segment(VIDEO, index, 0.96 * index, 0.96 * (index + 1), index == count - 1) for index in range(count)]
    paths = {one.index: cache.entry(key) / f"{one.index}.npz" for one in cut}
    work = VideoWork(source("a.mp4"), VIDEO, key, cut, paths, open=set())
    for one in cut:
        write_segment(paths[one.index], replace(result(), features=features(3, start_s=one.start_s)))
    if marked:
        cache.mark(work, 8.0, (Failure("a.mp4", "decode", "Damaged", "bad", (1.0, 2.5)),), MADE_WITH)
    return work


def test_a_video_counts_once_it_is_marked_and_comes_back_as_it_was(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    work = entry(cache, "0" * 16, marked=False)
    assert cache.cached("0" * 16) is None
    entry(cache, "0" * 16)
    cached = cache.cached("0" * 16)
    assert cached is not None
    assert (cached.video, cached.end_s, cached.lost, cached.settings) == ("a.mp4", 8.0, ((1.0, 2.5),), MADE_WITH)
    assert cached.segments_of(VIDEO) == work.segments
    assert [block.start_s for block in cached.blocks] == [0.0, 0.96] == [block.start_s for block in cached.blocks]
    cache.unmark("0" * 16)
    assert cache.cached("0" * 16) is None


def test_file_with_any_byte_wrong_is_read_as_it_was_or_damaged(tmp_path: Path) -> None:
    cache, random = FeatureCache(tmp_path), Random(1)
    entry(cache, "0" * 16, count=1)
    cached = cache.cached("0" * 16)
    assert cached is not None
    (path,) = cached.blocks.paths
    whole, (expected,) = path.read_bytes(), list(cached.blocks)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[random.randrange(len(whole))] ^= random.randrange(1, 256)
        path.write_bytes(damaged)
        try:
            (block,) = list(cached.blocks)
        except DamagedSegments as error:
            assert error.paths == (path,) and "\n" not in str(error)
        else:
            np.testing.assert_array_equal(block.features_SC, expected.features_SC)


def test_several_at_work_on_one_video_do_no_harm(tmp_path: Path) -> None:
    cache, seen = FeatureCache(tmp_path), []
    workers = [threading.Thread(target=lambda: [entry(cache, "0" * 16) for _ in range(10)]) for _ in range(3)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        cached = cache.cached("0" * 16)
        seen.append(0 if cached is None else sum(len(block) for block in cached.blocks))
    assert set(seen) <= {0, 6} and 6 in seen
    assert len(list(tmp_path.rglob("*"))) == 4  # the folder, two segments, the marker
