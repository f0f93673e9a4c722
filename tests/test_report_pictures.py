"""Pictures of real files, taken once and kept; files that are gone, changed, remote or damaged."""

import io
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from recordings import number_in, record

from pipeline.opening import fingerprint
from reports.page import pictures
from reports.page.pictures import CHANGED, FOLDER, UNREADABLE, Taken, _Taker, candidates, take_pictures
from reports.page.stores import unreachable

TIMES_S = [1.0, 0.2, 3.0]


def row(path: Path, **changes: Any) -> dict[str, Any]:
    return {"video": path.name, "uri": str(path), "fingerprint": fingerprint(str(path), path.stat().st_size)} | changes


def take(folder: Path, one: dict[str, Any], times_s: list[float] = TIMES_S, width: int = 96) -> Taken:
    told: list[int] = []
    may_open = candidates(folder, {7: one})
    taken = take_pictures(folder, {7: one}, may_open, {7: times_s}, width, told.append)
    assert sum(told) == (len(times_s) if may_open else 0)
    return taken.get(7, Taken({}))


def shown(taken: Taken) -> dict[float, int | None]:
    return {
        time_s: number_in(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
        for time_s, data in taken.pictures.items()
    }


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("videos") / "a.mp4", frames=100)


def test_pictures_are_of_their_instants_and_none_is_made_of_what_is_not_there(tmp_path: Path, video: Path) -> None:
    assert shown(take(tmp_path, row(video), [*TIMES_S, 77.0])) == {1.0: 25, 0.2: 5, 3.0: 75}


def test_kept_pictures_need_no_decoding_and_no_file(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = take(tmp_path, row(video), [*TIMES_S, 77.0])
    monkeypatch.setattr(pictures, "snapshots", None)  # would fail if it were called
    assert take(tmp_path, row(video), [*TIMES_S, 77.0]) == first
    assert shown(take(tmp_path, row(video), [0.2])) == {0.2: 5}
    gone = row(video, uri=str(video))
    moved = video.rename(video.with_suffix(".gone"))
    assert take(tmp_path, gone).pictures == {time_s: first.pictures[time_s] for time_s in TIMES_S}
    moved.rename(video)


def test_only_what_is_missing_is_taken_and_sizes_are_kept_apart(tmp_path: Path, video: Path) -> None:
    take(tmp_path, row(video), [1.0])
    assert shown(take(tmp_path, row(video))) == {1.0: 25, 0.2: 5, 3.0: 75}
    small = take(tmp_path, row(video), [1.0], width=48)
    assert Image.open(io.BytesIO(small.pictures[1.0])).size == (48, 32)
    [kept] = (tmp_path / FOLDER).iterdir()
    assert sorted(zipfile.ZipFile(kept).namelist()) == ["48/1.000.webp", *(f"96/{t:.3f}.webp" for t in sorted(TIMES_S))]


def test_other_content_in_the_videos_place_gives_no_pictures(tmp_path: Path, video: Path) -> None:
    take(tmp_path, row(video))
    assert take(tmp_path, row(video, fingerprint="another")) == Taken({}, CHANGED)
    assert shown(take(tmp_path, row(video, fingerprint=None), [1.0])) == {1.0: 25}


def test_file_that_is_gone_or_no_video_is_told_and_costs_nothing(tmp_path: Path, video: Path) -> None:
    folder = tmp_path / "now a folder"
    folder.mkdir()
    for uri in (str(video.with_name("none.mp4")), str(folder), "vid00", None):
        assert candidates(tmp_path, {0: row(video, uri=uri)}) == {}
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing" * 100)
    assert take(tmp_path, row(broken)) == Taken({}, UNREADABLE)


def test_damaged_archive_is_made_anew_and_a_place_that_cannot_be_written_does_not_matter(
    tmp_path: Path, video: Path
) -> None:
    first = take(tmp_path, row(video))
    [kept] = (tmp_path / FOLDER).iterdir()
    for damage in (b"", b"PK no archive", kept.read_bytes()[:-30]):
        kept.write_bytes(damage)
        assert take(tmp_path, row(video)) == first
    assert take(tmp_path / "no such folder", row(video)) == first
    in_the_way = tmp_path / "other"
    in_the_way.mkdir()
    (in_the_way / FOLDER).write_text("a file")
    assert take(in_the_way, row(video)) == first


def test_interruption_stops_soon_and_keeps_no_holes(tmp_path: Path, video: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert len(_Taker(tmp_path, row(video), 96, lambda _: None, stop)(TIMES_S, True).pictures) == 1
    assert len(take(tmp_path, row(video)).pictures) == len(TIMES_S)


def test_error_in_one_video_ends_all_of_it(tmp_path: Path, video: Path) -> None:
    def interrupt(number: int) -> None:
        if number:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_pictures(tmp_path, {0: row(video)}, {0: True}, {0: TIMES_S}, 96, interrupt)


def test_store_that_refuses_or_never_answers_is_given_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()

    def filesystem(uri: str) -> tuple[Any, str]:
        if uri.startswith("silent:"):
            answer.wait(30)
        if not uri.startswith("there:"):
            raise OSError("refused")
        return Store(), uri

    class Store:
        def get_file_info(self, path: str) -> None:
            """It is asked, and answers."""

    monkeypatch.setattr("reports.page.stores.filesystem", filesystem)
    began = time.monotonic()
    uris = ["there://a/1", "there://a/2", "silent://b/1", "refused://c/1", "/local/1"]
    assert unreachable(uris, patience_s=0.2) == {"silent://b/1", "refused://c/1"}
    assert time.monotonic() - began < 5
    answer.set()
    assert unreachable(["mailto://nobody", "/local/1"]) == {"mailto://nobody"}
