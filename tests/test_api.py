"""Claims about the front door for Python: from files to an object that shows itself."""

from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest
from committed import commit
from matplotlib.axes import Axes

from detectors import weights
from pipeline import detect, load_config, open_results
from pipeline.config import ConfigError
from pipeline.errors import InputError
from pipeline.results import ResultsFolder
from stages.compose import Clip, compose

SMALL = ("frames.rate=12.5", "frames.short_side=64", "backbone.precision=float32", "localizer.nms.min_score=0")


def labels_of(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


@pytest.mark.network
def test_from_a_folder_to_a_data_frame(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    compose([Clip(weights.fetch("sample_people"), 3.0, 7.0)], tmp_path / "in" / "a.mp4", width=128, height=96, fps=25)
    (tmp_path / "in" / "text.mp4").write_text("this is no video")
    config = load_config("kinetics400", [*SMALL, "cache.features=off"])
    results = detect(tmp_path / "in", tmp_path / "out", config=config, quiet=True)
    frame = results.segments.to_pandas()
    assert list(frame.columns) == ["video", "start_s", "stop_s", "label", "label_id", "score"]
    assert len(frame) > 0 and set(frame.video) == {"a.mp4"}
    assert results.videos.to_pandas().set_index("video").status.to_dict() == {"a.mp4": "ok", "text.mp4": "failed"}
    again = detect([tmp_path / "in"], str(tmp_path / "out"), config=config, quiet=True)
    assert again.videos.equals(results.videos)  # not done twice: wall_s and run_id are those of before
    assert repr(again).startswith("Results(") and "1 ok" in repr(again) and "1 failed" in repr(again)
    assert results.plot("a.mp4").get_xlim() == (0, pytest.approx(4.0, abs=0.05))


def test_mistakes_are_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        detect(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(ConfigError, match="no config 'kinetic'"):
        load_config("kinetic")
    with pytest.raises(InputError, match="is no results folder"):
        open_results(tmp_path)


def test_tables_are_read_as_of_now_and_only_what_is_committed(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path)
    commit(folder, "a.mp4", 2)
    results = open_results(tmp_path)
    tables = (results.videos, results.segments, results.persons, results.tubes)
    assert [len(table) for table in tables] == [1, 2, 4, 1] and all(isinstance(table, pa.Table) for table in tables)
    folder.part("videos", commit(folder, "b.mp4", 5)).unlink()
    assert len(results.segments) == 2
    commit(folder, "b.mp4", 5)
    assert results.query("select video, count(*) as n from segments group by all order by all").to_pylist() == [
        {"video": "a.mp4", "n": 2},
        {"video": "b.mp4", "n": 5},
    ]


def test_timeline_has_a_lane_for_each_label_and_person(tmp_path: Path) -> None:
    commit(ResultsFolder(tmp_path), "it's.mp4", 3)
    axes = open_results(tmp_path).plot()
    assert labels_of(axes) == ["run", "person 0"]
    spans = [bar.get_paths()[0].get_extents().intervalx.tolist() for bar in axes.collections]
    assert spans == [[0.0, 0.5], [1.0, 1.5], [2.0, 2.5], [0.0, 1.5]]
    assert [bar.get_alpha() for bar in axes.collections] == [0.625, 0.625, 0.625, 0.53125]
    assert open_results(tmp_path).plot("it's.mp4", min_score=0.6, axes=axes) is axes


def test_video_must_be_named_where_there_are_several(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        commit(ResultsFolder(tmp_path), name, 1)
    with pytest.raises(InputError, match=r"name one of the videos: 'a.mp4', 'b.mp4'$"):
        open_results(tmp_path).plot()
    with pytest.raises(InputError, match=r"there is no video 'c.mp4'"):
        open_results(tmp_path).plot("c.mp4")


class Cells(HTMLParser):
    """Texts of a page, and its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts += [" ".join(data.split())] if data.strip() else []


def test_notebook_shows_counts_and_actions(tmp_path: Path) -> None:
    folder = tmp_path / "<script>x</script>"
    commit(ResultsFolder(folder), "a.mp4", 3)
    page = Cells(open_results(folder)._repr_html_())
    assert "script" not in page.tags and "table" in page.tags
    assert ": 1 ok (0:08); 1 people, 1 tubes" in page.texts
    assert page.texts[-4:] == ["run", "3", "0:02", "0.50"]


def test_notebook_shows_a_run_that_finished_nothing(tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    results = open_results(tmp_path)
    assert "no video is finished" in results._repr_html_() and "none finished" in repr(results)
    with pytest.raises(InputError, match="none is finished"):
        results.plot()
