"""Claims about features that outlive their run: they save the work, give the same tables, never stand in the way."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
import ray
from broken_stages import with_losses, with_raising_decode
from rich.console import Console
from runs import assert_same_tables, make_archive, run, segments, settings, start, videos

from detectors import weights
from pipeline.contracts import FeatureStages, Stages
from pipeline.detection import StageMaker
from pipeline.errors import StopRun
from pipeline.extract import Extracted, extract
from pipeline.feature_cache import MARKER, FeatureCache
from pipeline.opening import fingerprint
from pipeline.progress import Progress, Tally
from pipeline.results import ResultsFolder
from pipeline.settings import Config
from pipeline.sources import list_sources
from pipeline.spool import features_key
from stages.build import build_feature_stages, build_stages

KEEP = "cache.features=keep"
OTHER_LOCALIZER = "localizer.training_free.smoothing_steps=1"
WEIGHTS, BACKBONE = "backbone.weights=random", "backbone.name=slowfast_r50_4x16"


def caching(folder: Path, make: StageMaker = build_stages) -> StageMaker:
    """Stages whose features are kept in this folder, and not beside the weights."""

    def made(config: Config, results: ResultsFolder, run_id: str) -> Stages:
        return replace(make(config, results, run_id), cache=folder)

    return made


def extracted(archive: Path, folder: Path, *overrides: str, engine: str = "local") -> tuple[list[Extracted], Tally]:
    def made(config: Config) -> FeatureStages:
        return replace(build_feature_stages(config), cache=folder)

    with Path(os.devnull).open("w") as nowhere:
        progress = Progress(Console(file=nowhere))
        sources, engine_name = list_sources([str(archive)]), "ray" if engine == "ray" else "local"
        found = extract(sources, settings(*overrides), make_stages=made, progress=progress, engine=engine_name)  # type: ignore[arg-type]
    return found, progress.tally


def markers(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*/{MARKER}"))


def key_of(path: Path, *overrides: str) -> str:
    stages = build_feature_stages(settings(*overrides))
    return features_key(stages.features_hash, fingerprint(str(path), path.stat().st_size))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings of 8 and 9.5 s."""
    folder = make_archive(tmp_path_factory.mktemp("recordings") / "archive")
    for name in ("both.mp4", "text.mp4"):
        (folder / name).unlink()
    return folder


@pytest.fixture(scope="module")
def kept(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds both; tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("kept")
    tally = run(archive, folder / "out", KEEP, "segments.length_s=3", stages=caching(folder / "cache"))
    assert (tally.count("ok"), len(markers(folder / "cache"))) == (2, 2)
    assert not (folder / "out" / "_spool").exists()
    return folder / "cache"


@pytest.fixture(scope="module")
def undisturbed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of a run without a cache, with another localizer than the one before."""
    out = tmp_path_factory.mktemp("undisturbed")
    run(archive, out, "cache.features=off", OTHER_LOCALIZER)
    assert len(segments(out)) > 5
    return out


@pytest.fixture
def copied(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "cache"))


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    workers_find = {"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}}
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=workers_find)
    yield
    ray.shutdown()


# What it saves


@pytest.mark.network
@pytest.mark.parametrize("use", ["cache.features=read", KEEP])
@pytest.mark.parametrize("cut", ["segments.length_s=6", "segments.length_s=1000"])
def test_another_localizer_decodes_nothing_and_gives_the_tables_of_a_run_without_cache(
    archive: Path, kept: Path, undisturbed: Path, tmp_path: Path, use: str, cut: str
) -> None:
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*")}
    tally = run(archive, tmp_path, OTHER_LOCALIZER, use, cut, stages=caching(kept))
    assert tally.done_s == 0 and "decode" not in tally.times.busy_s and tally.spooled_s > 17
    assert_same_tables(tmp_path, undisturbed)
    assert before == {path: path.stat().st_mtime_ns for path in kept.rglob("*")}


@pytest.mark.network
def test_off_neither_uses_nor_adds_and_read_does_not_add(archive: Path, copied: Path, tmp_path: Path) -> None:
    (street, people) = (key_of(archive / name) for name in ("street.mp4", "people.mp4"))
    shutil.rmtree(copied / street)
    tally = run(archive, tmp_path / "out", "cache.features=off", stages=caching(copied))
    assert tally.done_s > 17
    tally = run(archive, tmp_path / "out", OTHER_LOCALIZER, stages=caching(copied))
    assert tally.done_s == pytest.approx(8.0, abs=0.1)
    assert [path.parent.name for path in markers(copied)] == [people]


@pytest.mark.network
@pytest.mark.parametrize(
    "override",
    ["frames.rate=10", "frames.short_side=96", "frames.fit=keep", "backbone.precision=bfloat16", WEIGHTS, BACKBONE],
)
def test_other_frames_backbone_or_weights_have_other_features(archive: Path, kept: Path, override: str) -> None:
    cache, path = FeatureCache(kept), archive / "street.mp4"
    assert cache.cached(key_of(path)) is not None
    assert cache.cached(key_of(path, override)) is None


@pytest.mark.network
def test_a_renamed_file_is_found_by_its_content_and_a_changed_one_is_not(
    archive: Path, kept: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "renamed", tmp_path / "out"
    folder.mkdir()
    shutil.copy(archive / "street.mp4", folder / "other.mp4")
    tally = run(folder, out, "output.features=true", stages=caching(kept))
    assert tally.done_s == 0
    names = duckdb.sql(f"select distinct video from '{out}/features/*.parquet'").fetchall()
    assert names == [("other.mp4",)] and {row[0] for row in segments(out)} == {"other.mp4"}
    with (folder / "other.mp4").open("ab") as file:
        file.write(b"more")
    assert run(folder, out, stages=caching(kept)).done_s > 7


@pytest.mark.network
def test_a_changed_localizer_uses_what_an_unfinished_run_left_in_the_spool(
    archive: Path, undisturbed: Path, tmp_path: Path
) -> None:
    with pytest.raises(StopRun):
        run(archive, tmp_path, "cache.features=off", "segments.length_s=3", stages=_with_stop_after_segments)
    assert len(list(tmp_path.glob("_spool/*/*.npz"))) == 3
    tally = run(archive, tmp_path, "cache.features=off", "segments.length_s=3", OTHER_LOCALIZER)
    assert (tally.spooled_s, tally.done_s) == (pytest.approx(8.0, abs=0.1), pytest.approx(9.5, abs=0.1))
    assert_same_tables(tmp_path, undisturbed)


def _with_stop_after_segments(config: Config, results: ResultsFolder, run_id: str) -> Stages:
    """Stops the run at the first video that is ready."""
    stages = build_stages(config, results, run_id)

    class Stopped(type(stages.localize)):  # type: ignore[misc]
        def __call__(self, *_: object) -> None:
            raise StopRun("stopped")

    return replace(stages, localize=Stopped(config.localizer))


# What goes wrong


def _cut_short(entry: Path) -> None:
    path = min(entry.glob("*.npz"))
    path.write_bytes(path.read_bytes()[:-20])


def _flip_bytes(entry: Path) -> None:
    for path in entry.glob("*.npz"):
        content = bytearray(path.read_bytes())
        content[len(content) // 4] ^= 255  # among the features: not every byte of a file's form matters
        path.write_bytes(content)


def _lose_all(entry: Path) -> None:
    for path in entry.glob("*.npz"):
        path.unlink()


def _garble_marker(entry: Path) -> None:
    (entry / MARKER).write_text('{"segments": [{}]}')


@pytest.mark.network
@pytest.mark.parametrize(
    ("damage", "use"),
    [
        (_cut_short, "cache.features=read"),
        (_flip_bytes, "cache.features=read"),
        (_flip_bytes, KEEP),
        (_lose_all, KEEP),
        (_garble_marker, "cache.features=read"),
    ],
)
def test_what_cannot_be_read_is_computed_again(
    archive: Path, copied: Path, undisturbed: Path, tmp_path: Path, damage: object, use: str
) -> None:
    entry = copied / key_of(archive / "street.mp4")
    damage(entry)  # type: ignore[operator]
    tally = run(archive, tmp_path / "out", OTHER_LOCALIZER, use, "segments.length_s=3", stages=caching(copied))
    assert tally.count("ok") == 2
    assert_same_tables(tmp_path / "out", undisturbed)
    if use == KEEP:
        again = run(archive, tmp_path / "again", use, stages=caching(copied))
        assert again.done_s == 0


@pytest.mark.network
@pytest.mark.ray
def test_ray_keeps_repairs_and_extracts(
    archive: Path, copied: Path, undisturbed: Path, tmp_path: Path, local_ray: None
) -> None:
    street, people = (copied / key_of(archive / name) for name in ("street.mp4", "people.mp4"))
    _flip_bytes(street)
    shutil.rmtree(people)
    tally = run(archive, tmp_path / "out", OTHER_LOCALIZER, KEEP, engine="ray", stages=caching(copied))
    assert tally.done_s > 17 and len(markers(copied)) == 2
    assert_same_tables(tmp_path / "out", undisturbed)
    (street / MARKER).unlink()
    shutil.rmtree(people)
    found, tally = extracted(archive, copied, "segments.length_s=3", engine="ray")
    assert all(one.features is not None and not one.failures for one in found)
    assert tally.done_s == pytest.approx(9.5, abs=0.2)


@pytest.mark.network
def test_a_place_that_refuses_stops_the_run_in_one_line(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(StopRun, match=r"cannot write to .*cache") as caught:
        run(archive, tmp_path / "out", KEEP, stages=caching(tmp_path / "cache"))
    assert "\n" not in str(caught.value)


@pytest.mark.network
def test_killed_while_keeping_and_run_again_loses_no_segment(archive: Path, undisturbed: Path, tmp_path: Path) -> None:
    cache, out = tmp_path / "cache", tmp_path / "out"
    cache.mkdir()
    (cache / "i3d_kinetics400").symlink_to(weights.cache_folder() / "i3d_kinetics400")
    sets = (KEEP, OTHER_LOCALIZER, "segments.length_s=3")
    process = start(archive, out, *sets, engine="local", cache=cache)
    deadline = time.monotonic() + 120
    while not (done := list(cache.glob("features/*/*.npz"))) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    before = {path: path.stat().st_mtime_ns for path in done}
    assert before
    process = start(archive, out, *sets, engine="local", cache=cache)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert len(markers(cache / "features")) == 2
    assert_same_tables(out, undisturbed)


@pytest.mark.network
def test_a_video_of_which_a_part_was_given_up_is_not_kept_but_its_segments_are_used(
    archive: Path, tmp_path: Path
) -> None:
    cut, cache = "segments.length_s=3", tmp_path / "cache"
    run(archive, tmp_path / "out", KEEP, cut, stages=caching(cache, with_raising_decode))
    assert [row[1] for row in videos(tmp_path / "out")] == ["ok", "partial"]
    assert [path.parent.name for path in markers(cache)] == [key_of(archive / "people.mp4")]
    found, tally = extracted(archive, cache, cut)
    assert tally.done_s == pytest.approx(3.0, abs=0.5)
    assert all(one.features is not None and not one.failures for one in found)


@pytest.mark.network
def test_lost_spans_are_kept_with_the_video_and_tried_again_only_when_asked(archive: Path, tmp_path: Path) -> None:
    cut, cache, out = "segments.length_s=3", tmp_path / "cache", tmp_path / "out"
    run(archive, out, KEEP, cut, stages=caching(cache, with_losses))
    cached = FeatureCache(cache).cached(key_of(archive / "street.mp4"))
    assert cached is not None and cached.lost == ((1.0, 2.0),)
    assert run(archive, tmp_path / "other", KEEP, cut, stages=caching(cache)).done_s == 0
    assert videos(tmp_path / "other") == videos(out)
    tally = run(archive, out, KEEP, cut, stages=caching(cache), retry_failed=True)
    assert tally.videos == 1 and tally.done_s == pytest.approx(3.0, abs=0.5)  # the one segment
    assert [row[1] for row in videos(out)] == ["ok", "ok"]
    cached = FeatureCache(cache).cached(key_of(archive / "street.mp4"))
    assert cached is not None and cached.lost == ()


# Features alone


@pytest.mark.network
def test_extracted_features_are_those_of_detect_and_need_no_second_run(
    archive: Path, kept: Path, tmp_path: Path
) -> None:
    mixed, cache = tmp_path / "mixed", tmp_path / "cache"
    shutil.copytree(archive, mixed)
    (mixed / "text.mp4").write_text("this is no video")
    found, tally = extracted(mixed, cache, "cache.features=off")
    assert [one.source.key for one in found] == ["people.mp4", "street.mp4", "text.mp4"]
    assert (tally.count("ok"), tally.count("failed")) == (2, 1)
    assert found[2].features is None and found[2].failures[0].error_class == "NotAVideo"
    street = found[1].features
    assert street is not None and street.end_s == pytest.approx(8.0, abs=0.05) and street.lost == ()
    expected = FeatureCache(kept).cached(street.folder.name)
    assert expected is not None and len(expected.segments) == 3 > len(street.segments)
    for name in ("features_SC", "logits_SK"):
        ours, theirs = (np.concatenate([getattr(block, name) for block in one.blocks]) for one in (street, expected))
        np.testing.assert_allclose(ours, theirs, atol=2e-3)
    assert street.size == sum(path.stat().st_size for path in street.folder.glob("*.npz"))
    again, tally = extracted(mixed, cache)
    assert tally.done_s == 0 and [one.features for one in again] == [one.features for one in found]


@pytest.mark.network
def test_extraction_finds_damage_before_anyone_trains_on_it(archive: Path, copied: Path) -> None:
    entry = copied / key_of(archive / "street.mp4")
    last = max(entry.glob("*.npz"))
    content = bytearray(last.read_bytes())
    content[1000] ^= 255
    last.write_bytes(content)
    found, tally = extracted(archive, copied, "segments.length_s=3")
    assert 0 < tally.done_s < 4
    assert all(one.features is not None and sum(len(block) for block in one.features.blocks) for one in found)
