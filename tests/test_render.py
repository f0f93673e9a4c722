"""Claims about rendered videos: times, pictures and sound of the recording, and on them what a run found."""

import subprocess
import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from recordings import number_in, numbered, record
from test_overlay import action, commit, person
from typer.testing import CliRunner, Result

from pipeline.errors import VideoError
from pipeline.sources import list_sources
from reports.overlay.tiles import track_colour
from run import app
from stages.picture import Size
from stages.probe import Probe
from stages.render import Rendered, render

ROOT = Path(__file__).parents[1]


def rendered(source: Path, out: Path, **options: object) -> Rendered:
    """Without anything drawn, 20 pixels free below."""
    video = Probe()(list_sources([str(source)])[0])
    size = Size(min(video.width, video.height), "keep", multiple=2, enlarge=False)
    container = "mp4" if out.suffix == ".mp4" else "matroska"
    return render(video, out, lambda canvas, time_s: None, size=size, below=20, container=container, **options)


def call(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, ["render", *map(str, arguments)])


def pictures(path: Path) -> tuple[list[float], list[np.ndarray]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [float(frame.time) for frame in frames], [frame.to_ndarray(format="rgb24") for frame in frames]


def numbers(frames: Sequence[np.ndarray]) -> list[int | None]:
    return [number_in(frame[:-20]) for frame in frames]


def results_of(recording: Path, folder: Path, **tables: Sequence[dict[str, object]]) -> Path:
    video = Probe()(list_sources([str(recording)])[0])
    return commit(folder, video.key, video.uri, fingerprint=video.fingerprint, **tables)


# Pictures and their times


@pytest.mark.parametrize(
    ("source", "out"),
    [("a.mp4", "b.mp4"), ("a.mkv", "b.mkv"), ("a.ts", "b.mp4"), ("a.avi", "b.mp4"), ("a.mp4", "b.mkv")],
)
def test_every_frame_is_shown_at_its_time(tmp_path: Path, source: str, out: str) -> None:
    codec = "mpeg4" if source.endswith("avi") else "libx264"
    record(tmp_path / source, frames=60, codec=codec, start_s=0 if source.endswith("avi") else 3)
    told = rendered(tmp_path / source, tmp_path / out)
    times_s, frames = pictures(tmp_path / out)
    np.testing.assert_allclose(times_s, np.arange(60) / 25, atol=1.1e-3)
    assert numbers(frames) == list(range(60))
    assert told.frames == 60 and told.duration_s == pytest.approx(2.4, abs=2e-3) and told.sound == "none"
    with av.open(str(tmp_path / out)) as container:
        assert container.duration / av.time_base == pytest.approx(2.4, abs=2e-3)
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_variable_frame_rate_is_kept(tmp_path: Path) -> None:
    times = [Fraction(tick, 90_000) for tick in np.cumsum([0, 3000, 900, 45000, 1, 90000, 3003])]
    record(tmp_path / "a.mp4", times=times)
    rendered(tmp_path / "a.mp4", tmp_path / "b.mp4")
    times_s, frames = pictures(tmp_path / "b.mp4")
    np.testing.assert_allclose(times_s, [float(time) for time in times], atol=1e-6)
    assert numbers(frames) == list(range(7))


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_turned_recording_is_upright(tmp_path: Path, turn: int) -> None:
    record(tmp_path / "a.mp4", frames=5, turn=turn, size=(96, 64))
    rendered(tmp_path / "a.mp4", tmp_path / "b.mp4")
    _, frames = pictures(tmp_path / "b.mp4")
    assert frames[0].shape == (84, 96, 3) and numbers(frames) == list(range(5))


def test_pixel_aspect_is_applied_and_odd_sides_become_even(tmp_path: Path) -> None:
    record(tmp_path / "a.mkv", frames=3, size=(90, 64), pixel_aspect=Fraction(3, 2), codec="mpeg4")
    record(tmp_path / "b.mkv", frames=3, size=(99, 65), pix_fmt="yuv444p")
    for name, shape in (("a", (84, 136, 3)), ("b", (84, 100, 3))):
        rendered(tmp_path / f"{name}.mkv", tmp_path / "out.mp4")
        assert pictures(tmp_path / "out.mp4")[1][0].shape == shape


@pytest.mark.parametrize(("matrix", "range_"), [(2, 0), (1, 1), (6, 2)])
def test_colours_stay_as_they_are(tmp_path: Path, matrix: int, range_: int) -> None:
    colours = np.array([(230, 20, 20), (20, 200, 40), (30, 40, 220), (250, 250, 250), (128, 128, 128)], np.uint8)
    picture = np.repeat(colours[None], 32, axis=0).repeat(32, axis=1)
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "8"})
        stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, range_
        whole = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame = whole.reformat(format="yuv420p", dst_colorspace={2: None, 1: 1, 6: 5}[matrix], dst_color_range=range_)
        container.mux([*stream.encode(frame), *stream.encode(None)])
    rendered(tmp_path / "a.mp4", tmp_path / "b.mp4")
    before, after = (pictures(tmp_path / name)[1][0][16, 16::32] for name in ("a.mp4", "b.mp4"))
    np.testing.assert_allclose(after[:5].astype(int), before[:5].astype(int), atol=6)


def test_damaged_recording_shows_what_decodes_at_its_time(tmp_path: Path) -> None:
    path = record(tmp_path / "a.ts", frames=100, gop=10, options={"bf": "0"})
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path.write_bytes(content)
    told = rendered(path, tmp_path / "b.mp4")
    times_s, frames = pictures(tmp_path / "b.mp4")
    seen = [(number, time_s) for number, time_s in zip(numbers(frames), times_s, strict=True) if number is not None]
    assert 60 < len(seen) <= told.frames < 100 and seen[-1][0] == 99
    np.testing.assert_allclose([time_s for _, time_s in seen], [number / 25 for number, _ in seen], atol=1e-3)


# A stretch


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_stretch_begins_with_the_frame_on_screen_and_its_sound(tmp_path: Path, name: str) -> None:
    clicking(tmp_path / name, video_start_s=1, clicks_s=(1.5, 3.5, 4.5), length_s=6)
    told = rendered(tmp_path / name, tmp_path / "b.mp4", start_s=1.02, stop_s=3.0)
    times_s, frames = pictures(tmp_path / "b.mp4")
    assert numbers(frames) == list(range(25, 75))
    np.testing.assert_allclose(times_s, [0.0, *(np.arange(26, 75) / 25 - 1.02)], atol=1.1e-3)
    assert told.duration_s == pytest.approx(1.98, abs=1e-3)
    np.testing.assert_allclose(clicks_in(tmp_path / "b.mp4"), [1.48], atol=0.03)


def test_stretch_beyond_the_end_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    record(tmp_path / "a.mp4", frames=25)
    with pytest.raises(VideoError, match=r"shows nothing from 5 s on; it ends at 1\.0 s"):
        rendered(tmp_path / "a.mp4", tmp_path / "b.mp4", start_s=5.0)
    assert not (tmp_path / "b.mp4").exists()


# Sound


def clicking(
    path: Path,
    *,
    clicks_s: Sequence[float],
    length_s: float,
    video_start_s: float = 0,
    codec: str = "aac",
    rate: int = 48_000,
) -> Path:
    """Numbered frames from `video_start_s` on, beside a silence from zero on with loud moments of 10 ms."""
    samples = np.zeros(int(length_s * rate), np.int16)
    for click_s in clicks_s:
        samples[int(click_s * rate) : int((click_s + 0.01) * rate)] = 30_000
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.gop_size = 96, 64, 10
        sound = container.add_stream(codec, rate=rate, layout="mono")
        for number in range(round((length_s - video_start_s) * 25)):
            picture = av.VideoFrame.from_ndarray(numbered(number, 96, 64), format="rgb24")
            picture.pts, picture.time_base = number + round(video_start_s * 25), Fraction(1, 25)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for start in range(0, len(samples), 960):
            block = av.AudioFrame.from_ndarray(samples[None, start : start + 960], format="s16", layout="mono")
            block.sample_rate, block.pts, block.time_base = rate, start, Fraction(1, rate)
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return path


def clicks_in(path: Path) -> list[float]:
    """When the sound becomes loud, on the container's clock."""
    loud_s: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            block = np.abs(frame.to_ndarray().astype(float)).max(axis=0)
            full = np.iinfo(frame.to_ndarray().dtype).max if frame.format.name.startswith("s") else 1.0
            loud_s += [float(frame.time) + place / frame.sample_rate for place in np.flatnonzero(block > 0.3 * full)]
    return [time_s for before_s, time_s in zip([-1.0, *loud_s], loud_s, strict=False) if time_s - before_s > 0.2]


@pytest.mark.parametrize(
    ("source", "codec", "out", "kept"),
    [
        ("a.mp4", "aac", "b.mp4", "aac"),
        ("a.mp4", "aac", "b.mkv", "aac"),
        ("a.ts", "aac", "b.mp4", "aac"),
        ("a.mkv", "libopus", "b.mp4", "opus"),
        ("a.mkv", "libmp3lame", "b.mp4", "mp3"),
        ("a.mkv", "mp2", "b.mkv", "mp2"),
        ("a.mkv", "pcm_s16le", "b.mkv", "pcm_s16le"),
        ("a.mkv", "flac", "b.mkv", "flac"),
    ],
)
@pytest.mark.parametrize("video_start_s", [0, 0.5])
def test_sound_is_kept_as_it_is_and_in_time(
    tmp_path: Path, source: str, codec: str, out: str, kept: str, video_start_s: float
) -> None:
    clicking(tmp_path / source, codec=codec, video_start_s=video_start_s, clicks_s=(0.7, 2.0), length_s=3)
    assert rendered(tmp_path / source, tmp_path / out).sound == "copied"
    np.testing.assert_allclose(clicks_in(tmp_path / out), np.array([0.7, 2.0]) - video_start_s, atol=0.03)
    assert_one_length(tmp_path / out, 3 - video_start_s)
    with av.open(str(tmp_path / out)) as container:
        assert container.streams.audio[0].codec_context.codec.canonical_name == kept


@pytest.mark.parametrize(
    ("source", "codec", "rate"),
    [("a.mkv", "pcm_s16le", 44_100), ("a.ts", "mp2", 48_000), ("a.mkv", "flac", 8_000)],
)
@pytest.mark.parametrize("video_start_s", [0, 0.5])
def test_sound_that_an_mp4_does_not_hold_becomes_aac_in_time(
    tmp_path: Path, source: str, codec: str, rate: int, video_start_s: float
) -> None:
    clicking(tmp_path / source, codec=codec, rate=rate, video_start_s=video_start_s, clicks_s=(0.7, 2.0), length_s=3)
    assert rendered(tmp_path / source, tmp_path / "b.mp4").sound == "encoded"
    np.testing.assert_allclose(clicks_in(tmp_path / "b.mp4"), np.array([0.7, 2.0]) - video_start_s, atol=0.03)
    assert_one_length(tmp_path / "b.mp4", 3 - video_start_s)


def assert_one_length(path: Path, length_s: float) -> None:
    """Sound and pictures begin together and end together."""
    with av.open(str(path)) as container:
        spans = []
        for kind in ("video", "audio"):
            container.seek(0)
            frames = list(container.decode(**{kind: 0}))
            tail = frames[-1].samples / frames[-1].sample_rate if kind == "audio" else 1 / 25
            spans.append((float(frames[0].time), float(frames[-1].time) + tail))
    np.testing.assert_allclose(spans, [(0, length_s)] * 2, atol=0.1)


def test_damaged_sound_costs_no_picture(tmp_path: Path) -> None:
    path = clicking(tmp_path / "a.mkv", codec="mp2", clicks_s=(0.5,), length_s=4)
    with av.open(str(path)) as container:
        places = [
            packet.pos for packet in container.demux(audio=0) if packet.size and 1 < packet.pts * packet.time_base < 3
        ]
    content = bytearray(path.read_bytes())
    for place in places:
        content[place + 8 : place + 16] = b"\xff" * 8
    path.write_bytes(content)
    assert rendered(path, tmp_path / "b.mp4").frames == 100
    np.testing.assert_allclose(clicks_in(tmp_path / "b.mp4"), [0.5], atol=0.03)


# The command


def test_box_tag_and_strip_are_where_and_when_the_tables_say(tmp_path: Path) -> None:
    video = record(tmp_path / "a.mp4", frames=100, size=(320, 240), audio_s=4)
    rows = [person(time_s, 4, (x, 0.5, x + 0.25, 0.9), "walk", 0.8) for time_s, x in ((1.0, 0.25), (2.0, 0.5))]
    results = results_of(video, tmp_path / "out", persons=rows, segments=[action(1.0, 3.0, "jump", 0.9)])
    result = call(video, "--results", results, "--out", tmp_path / "b.mp4")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{tmp_path / 'b.mp4'}: 4.0 s, 100 frames, sound kept\n"
    times_s, frames = pictures(tmp_path / "b.mp4")
    assert len(frames) == 100 and frames[0].shape[1] == 320 and frames[0].shape[0] > 260

    def is_track(time_s: float, x: float, y: float) -> bool:
        area = frames[times_s.index(time_s)][
            round(y * 240) - 2 : round(y * 240) + 3, round(x * 320) : round(x * 320) + 3
        ]
        return bool((np.abs(area.astype(int) - track_colour(4)).max(axis=2) < 45).any())

    assert all(
        is_track(time_s, x, 0.7) for time_s, x in ((0.6, 0.25), (1.0, 0.25), (1.48, 0.37), (2.0, 0.5), (2.4, 0.5))
    )
    assert not any(is_track(time_s, x, 0.7) for time_s, x in ((0.4, 0.25), (1.48, 0.25), (2.0, 0.25), (2.6, 0.5)))
    positions = [int(frame[242].min(axis=1).argmax()) for frame in frames]
    assert positions == sorted(positions) and positions[-1] - positions[0] > 150


def test_results_without_people_have_a_strip_and_a_stretch_is_scaled(tmp_path: Path) -> None:
    video = record(tmp_path / "a.mp4", frames=100, size=(320, 240))
    results = results_of(video, tmp_path / "out", segments=[])
    options = ["--start", 1, "--stop", 2, "--short-side", 120, "--min-score", 0.5]
    assert call(video, "--results", results, "--out", tmp_path / "b.mkv", *options).exit_code == 0
    times_s, frames = pictures(tmp_path / "b.mkv")
    assert len(frames) == 25 and times_s[0] == 0 and frames[0].shape[1] == 160
    assert [number_in(frame[:120]) for frame in frames] == list(range(25, 50))


def test_existing_file_is_replaced_and_other_content_is_pointed_out(tmp_path: Path) -> None:
    video = record(tmp_path / "a.mp4", frames=25)
    results = commit(tmp_path / "out", "a.mp4", "/elsewhere/a.mp4", segments=[])
    (tmp_path / "b.mp4").write_text("old")
    result = call(video, "--results", results, "--out", tmp_path / "b.mp4")
    assert result.exit_code == 0 and len(pictures(tmp_path / "b.mp4")[1]) == 25
    assert result.stderr == f"{video}: is not the same content as a.mp4 in {results}; times may differ\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4", "out"]


@pytest.mark.parametrize(
    ("video", "options", "message"),
    [
        ("a.mp4", ["--out", "b.avi"], "--out: give a name that ends in .mp4 or .mkv, got 'b.avi'"),
        (
            "a.mp4",
            ["--out", "b.mp4", "--start", "2", "--stop", "1"],
            "--stop: must lie after --start, which is 2, got 1",
        ),
        ("a.mp4", ["--out", "b.mp4", "--start", "9"], "a.mp4: it shows nothing from 9 s on; it ends at 1.0 s"),
        ("a.mp4", ["--out", "a.mp4"], "--out: is the video itself"),
        ("a.mp4", ["--out", "a.mp4/b.mp4"], "a.mp4/b.mp4: cannot be written: "),
        ("other.mp4", ["--out", "b.mp4"], "out: holds no rows of "),
        ("text.mp4", ["--out", "b.mp4"], "text.mp4: "),
        ("none.mp4", ["--out", "b.mp4"], "none.mp4: no such file or folder"),
        (".", ["--out", "b.mp4"], ".: holds 3 videos; give one of them"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, video: str, options: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    recording = record(tmp_path / "a.mp4", frames=25)
    record(tmp_path / "other.mp4", frames=5)
    (tmp_path / "text.mp4").write_text("this is no video")
    results_of(recording, tmp_path / "out", segments=[])
    before = {path: path.stat().st_size for path in tmp_path.iterdir()}
    result = call(video, "--results", "out", *options)
    assert result.exit_code == 2 and message in result.stderr and result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if "not the same content" not in line]
    assert len(lines) == 1 and before == {path: path.stat().st_size for path in tmp_path.iterdir()}


def test_stopped_rendering_leaves_nothing_behind(tmp_path: Path) -> None:
    video = record(tmp_path / "a.mp4", frames=1000, size=(320, 240))
    results = results_of(video, tmp_path / "out", segments=[])
    command = [sys.executable, "run.py", "render", video, "--results", results, "--out", tmp_path / "b.mp4"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".b.mp4.*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.terminate()
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "") and stderr.startswith("interrupted") and stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "out"]


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    code = (
        "import resource, sys; sys.path[:0] = ['tests'];"
        "from pathlib import Path; from test_render import record, rendered;"
        "path = record(Path(sys.argv[1]) / f'{sys.argv[2]}.mp4', frames=int(sys.argv[2]), size=(320, 180), audio_s=3);"
        "rendered(path, path.with_suffix('.mkv'));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    short_kb, long_kb = (
        int(
            subprocess.run(
                [sys.executable, "-c", code, tmp_path, frames], cwd=ROOT, capture_output=True, check=True
            ).stdout
        )
        for frames in ("200", "1400")
    )
    assert long_kb - short_kb < 80_000  # its 1200 further pictures are 210 MB
