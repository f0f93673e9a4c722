"""What a run found, as an object for notebooks: tables, SQL, a timeline, a summary."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.database import connect, query
from pipeline.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TRACKS = """
    select track_id, min(start_s) over (partition by track_id) as first_s, start_s, stop_s, label, score
    from tubes where video = {video} order by first_s, track_id, start_s
"""


class Results:
    """A results folder; each table is read when it is asked for, as far as videos are committed by then.

    Raises InputError for a folder without tables.
    """

    def __init__(self, folder: Path) -> None:
        connect(folder).close()
        self.folder = folder

    @property
    def videos(self) -> pa.Table:
        """A row an input: its status, length, and what could not be read."""
        return self.query("from videos order by video")

    @property
    def segments(self) -> pa.Table:
        """A row an action in time."""
        return self.query("from segments order by video, start_s, stop_s, label")

    @property
    def persons(self) -> pa.Table:
        """A row a thing that somebody does on a key frame."""
        return self.query("from persons order by video, time_s, track_id, score desc")

    @property
    def tubes(self) -> pa.Table:
        """A row an action of one person over time."""
        return self.query("from tubes order by video, track_id, start_s, label")

    def query(self, sql: str) -> pa.Table:
        """Rows of DuckDB's SQL over videos, segments, persons, tubes and features. Raises InputError."""
        return query(self.folder, sql, lambda rows: rows.to_arrow_table())

    def plot(self, video: str | None = None, *, min_score: float = 0.0, axes: "Axes | None" = None) -> "Axes":
        """Draw the timeline of a video, by its name in the tables; of the only one if there is just one.

        A lane a label, the surer the darker; below, a lane for each person. Raises InputError.
        """
        from reports.timeline_plot import draw_timeline

        row = self._row(video)
        name = _quoted(row["video"])
        actions = self.query(f"from segments where video = {name} and score >= {min_score} order by start_s")
        people = self.query(_TRACKS.format(video=name))
        return draw_timeline(
            actions.to_pylist(), people.to_pylist(), title=row["video"], duration_s=row["duration_s"], axes=axes
        )

    def _row(self, video: str | None) -> dict[str, Any]:
        rows: list[dict[str, Any]] = self.query("select video, duration_s from videos order by video").to_pylist()
        found = [row for row in rows if video in (None, row["video"])]
        if len(found) == 1:
            return found[0]
        names = ", ".join(repr(row["video"]) for row in rows[:8]) + (f" and {len(rows) - 8:,} more" * (len(rows) > 8))
        wanted = "name one of the videos" if video is None else f"there is no video {video!r}"
        raise InputError(f"{self.folder}: {wanted}: {names or 'none is finished'}")

    def __repr__(self) -> str:
        counts = self.query("select status, count(*) as n from videos group by all order by n desc").to_pylist()
        videos = ", ".join(f"{row['n']:,} {row['status']}" for row in counts) or "none finished"
        [[actions]] = self.query("select count(*) from segments").to_pydict().values()
        return f"Results({str(self.folder)!r}): videos: {videos}; {actions:,} actions"

    def _repr_html_(self) -> str:
        from reports.results_summary import summary_html

        return summary_html(self)


def _quoted(text: str) -> str:
    """As a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
