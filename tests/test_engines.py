"""Whatever engine, segmenting or accident: the same tables. Real recordings, real weights, a real local Ray."""

import os
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import polars
import psutil
import pytest
import ray
from broken_stages import POISON, with_deadly_decode, with_raising_localize
from runs import assert_same_tables, make_archive, run, segments, start, videos

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("recordings") / "archive")


@pytest.fixture(scope="module")
def undisturbed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of a plain local run."""
    out = tmp_path_factory.mktemp("undisturbed")
    run(archive, out)
    assert len(segments(out)) > 10
    return out


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    workers_find = {"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}}
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=workers_find)
    yield
    ray.shutdown()


@pytest.mark.parametrize("change", ["segments.length_s=3", "segments.length_s=1000", "segments.chunk_frames=17"])
def test_how_a_video_is_cut_does_not_change_the_tables(
    archive: Path, undisturbed: Path, tmp_path: Path, change: str
) -> None:
    run(archive, tmp_path, change)
    assert_same_tables(tmp_path, undisturbed)


@pytest.mark.ray
@pytest.mark.parametrize("lanes", [1, 2])
def test_ray_gives_the_tables_of_the_local_engine(
    archive: Path, undisturbed: Path, tmp_path: Path, local_ray: None, lanes: int
) -> None:
    run(archive, tmp_path, f"engine.lanes={lanes}", engine="ray")
    assert_same_tables(tmp_path, undisturbed)


def test_a_second_run_finds_nothing_to_do(archive: Path, undisturbed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.glob("*/*.parquet")}
    tally = run(archive, undisturbed)
    assert (tally.videos, tally.count("ok"), tally.count("failed")) == (0, 3, 1)
    assert before == {path: path.stat().st_mtime_ns for path in undisturbed.glob("*/*.parquet")}


def test_another_config_or_a_changed_file_is_new_work(archive: Path, tmp_path: Path) -> None:
    out, copy = tmp_path / "out", tmp_path / "copy"
    copy.mkdir()
    (copy / "a.mp4").write_bytes((archive / "street.mp4").read_bytes())
    assert run(copy, out).videos == 1
    assert run(copy, out, "localizer.nms.iou_threshold=0.4").videos == 1
    (copy / "a.mp4").write_bytes((archive / "people.mp4").read_bytes())
    assert run(copy, out, "localizer.nms.iou_threshold=0.4").videos == 1
    assert len(videos(out)) == 1


def test_failed_videos_are_tried_again_only_when_asked(archive: Path, undisturbed: Path, tmp_path: Path) -> None:
    run(archive, tmp_path, stages=with_raising_localize)
    assert run(archive, tmp_path).videos == 0
    assert dict(row[:2] for row in videos(tmp_path))[POISON] == "failed"
    assert run(archive, tmp_path, retry_failed=True).videos == 2  # and the text that is no video
    assert_same_tables(tmp_path, undisturbed)


def test_killed_at_any_moment_and_run_again_gives_the_same_tables(
    archive: Path, undisturbed: Path, tmp_path: Path
) -> None:
    for progress in (1, 3, 5):
        process = start(archive, tmp_path, engine="local")
        _wait_for(lambda: _work_done(tmp_path) >= progress, process)  # noqa: B023 - called at once
        process.kill()
        process.communicate()
    process = start(archive, tmp_path, engine="local")
    process.communicate()
    assert process.returncode == 3
    assert_same_tables(tmp_path, undisturbed)


def test_a_kill_between_commit_and_clearing_up_leaves_nothing_behind(
    archive: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    for part in (out / "videos").glob("*.parquet"):
        spool = out / "_spool" / part.stem
        spool.mkdir(parents=True)
        (spool / "000000-0.000000-end-0123456789abcdef.npz").write_bytes(b"spooled")
    assert run(archive, out).videos == 0
    assert_same_tables(out, undisturbed)


@pytest.mark.ray
def test_killed_workers_cost_nothing_but_time(archive: Path, undisturbed: Path, tmp_path: Path) -> None:
    process = start(archive, tmp_path, engine="ray")
    for title in ("ray::DecodeActor.decode", "ray::VisionActor.process", "ray::FinishActor.finish"):
        _wait_for(lambda: _kill_one(title), process)  # noqa: B023
    output, _ = process.communicate()
    assert process.returncode == 3, output
    assert_same_tables(tmp_path, undisturbed)


@pytest.mark.ray
def test_a_video_that_kills_its_decoder_fails_alone(
    archive: Path, undisturbed: Path, tmp_path: Path, local_ray: None
) -> None:
    run(archive, tmp_path, engine="ray", stages=with_deadly_decode)
    assert_same_tables(tmp_path, undisturbed, but_for=POISON)
    row = next(row for row in videos(tmp_path) if row[0] == POISON)
    assert row[1:3] == ("failed", "WorkerDied")


def test_an_error_in_a_stage_costs_its_video_alone(archive: Path, undisturbed: Path, tmp_path: Path) -> None:
    run(archive, tmp_path, stages=with_raising_localize)
    assert_same_tables(tmp_path, undisturbed, but_for=POISON)
    row = next(row for row in videos(tmp_path) if row[0] == POISON)
    assert row[1:4] == ("failed", "ZeroDivisionError", "made to fail")


def test_readers_see_only_whole_videos_while_a_run_goes_on(archive: Path, undisturbed: Path, tmp_path: Path) -> None:
    counts = {row[0]: sum(one[0] == row[0] for one in segments(undisturbed)) for row in videos(undisturbed)}
    worker = threading.Thread(target=run, args=(archive, tmp_path))
    worker.start()
    seen: list[dict[str, int]] = []
    while worker.is_alive():
        if any((tmp_path / "segments").glob("*.parquet")):
            query = f"select video, count(*) from '{tmp_path}/segments/*.parquet' group by video"
            seen.append(dict(duckdb.connect().sql(query).fetchall()))
            frame = polars.read_parquet(f"{tmp_path}/segments/*.parquet")
            seen.append(dict(frame.group_by("video").len().iter_rows()))
        time.sleep(0.05)
    assert len({len(one) for one in seen}) > 1  # the tables did grow while they were read
    assert all(counts[video] == count for one in seen for video, count in one.items())


def test_a_disk_that_refuses_stops_the_run_in_one_line(archive: Path, undisturbed: Path, tmp_path: Path) -> None:
    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    process = start(archive, tmp_path, engine="local", before=small_files_only)
    output, _ = process.communicate()
    assert process.returncode == 1
    assert "cannot write to" in output.strip().splitlines()[-1]
    again = start(archive, tmp_path, engine="local")
    again.communicate()
    assert_same_tables(tmp_path, undisturbed)


@pytest.mark.ray
def test_interrupt_keeps_what_is_committed(archive: Path, undisturbed: Path, tmp_path: Path) -> None:
    process = start(archive, tmp_path, engine="ray")
    _wait_for(lambda: _work_done(tmp_path) >= 2, process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "give the same command again" in output
    run(archive, tmp_path)
    assert_same_tables(tmp_path, undisturbed)


@pytest.mark.ray
def test_a_ray_that_is_gone_stops_the_run_in_one_line(archive: Path, undisturbed: Path, tmp_path: Path) -> None:
    process = start(archive, tmp_path, engine="ray")
    _wait_for(lambda: _work_done(tmp_path) >= 1, process)
    for child in psutil.Process(process.pid).children(recursive=True):
        if child.name() == "raylet":
            child.kill()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "give the same command again" in output.strip().splitlines()[-1]
    run(archive, tmp_path)
    assert_same_tables(tmp_path, undisturbed)


def _work_done(out: Path) -> int:
    return len(list(out.glob("_spool/*/*.npz"))) + 3 * len(list(out.glob("videos/*.parquet")))


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _kill_one(title: str) -> bool:
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [""])[0].startswith(title):
            os.kill(process.pid, signal.SIGKILL)
            return True
    return False
