"""Small pictures of videos at wanted instants: decoded once, then kept beside the tables, an archive a video."""

import io
import os
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.errors import InputError, VideoError
from pipeline.opening import local_path
from pipeline.records import Video
from pipeline.results import part_name
from pipeline.sources import list_sources
from reports.page.stores import unreachable
from stages.picture import Size
from stages.probe import Probe
from stages.snapshots import snapshots

FOLDER = "_pictures"
UNREADABLE, CHANGED = "gone or unreadable", "not what the run read"

_QUALITY = 50
_NOTHING = b""  # kept for an instant at which there is nothing to be seen, so that nobody looks again

Row = Mapping[str, Any]
Pictures = Mapping[float, bytes]  # by instant, seconds: WebP


@dataclass(frozen=True, slots=True)
class Taken:
    """A video's pictures, as many of those wanted as there are, and why there are no more."""

    pictures: Pictures
    refused: str | None = None


def candidates(results: Path, videos: Mapping[int, Row]) -> dict[int, bool]:
    """Of videos, rows of the table, those that pictures may be had of, and whether their files are to be opened."""
    uris = {number: row["uri"] or "" for number, row in videos.items()}
    refused = unreachable(uris.values())
    may_open = {number: uri not in refused and _may_be_there(uri) for number, uri in uris.items()}
    return {
        number: may_open[number] for number in videos if may_open[number] or _archive(results, videos[number]).exists()
    }


def _may_be_there(uri: str) -> bool:
    path = local_path(uri)
    return bool(uri) and (path is None or Path(path).is_file())


def _archive(results: Path, row: Row) -> Path:
    return results / FOLDER / f"{part_name(row['uri'] or '', row['video'])}.zip"


def take_pictures(
    results: Path,
    videos: Mapping[int, Row],
    may_open: Mapping[int, bool],
    wanted_s: Mapping[int, Sequence[float]],
    width: int,
    progress: Callable[[int], None],
) -> dict[int, Taken]:
    """Of videos, rows of the table, the pictures at these instants, kept ones or, from those that may be opened, new.

    The longer side of a picture is `width`; `progress` is told of every few that are dealt with.
    What cannot be kept is taken all the same.
    """
    stop = threading.Event()
    pool = ThreadPoolExecutor(max(1, min(8, os.cpu_count() or 1)), thread_name_prefix="pictures")
    try:
        takers = {
            pool.submit(_Taker(results, videos[number], width, progress, stop), wanted_s[number], may): number
            for number, may in may_open.items()
        }
        return {takers[done]: done.result() for done in as_completed(takers)}
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


class _Taker:
    """Takes the pictures of one video that are not kept yet."""

    def __init__(
        self, results: Path, row: Row, width: int, progress: Callable[[int], None], stop: threading.Event
    ) -> None:
        self.row, self.width, self.progress, self.stop = row, width, progress, stop
        self.kept = _Kept(_archive(results, row), row["fingerprint"])

    def __call__(self, times_s: Sequence[float], may_open: bool) -> Taken:
        kept = self.kept.read(self.width)
        missing_s = [time_s for time_s in times_s if time_s not in kept]
        self.progress(len(times_s) - len(missing_s))
        refused = None
        if missing_s:
            try:
                new = self._take(_probed(self.row, may_open), missing_s)
            except (VideoError, InputError) as error:
                refused = CHANGED if isinstance(error, _ChangedError) else UNREADABLE
                self.progress(len(missing_s))
            else:
                self.kept.write(self.width, kept | new)
                kept = kept | new
        return Taken({time_s: kept[time_s] for time_s in times_s if kept.get(time_s)}, refused)

    def _take(self, video: Video, times_s: Sequence[float]) -> dict[float, bytes]:
        """Raises VideoError."""
        taken = {}
        size = Size(self.width, "keep", long_side=self.width, enlarge=False)
        for time_s, picture in snapshots(video, times_s, size):
            taken[time_s] = _webp(picture)
            self.progress(1)
            if self.stop.is_set():
                return taken
        self.progress(len(times_s) - len(taken))
        return dict.fromkeys(times_s, _NOTHING) | taken


class _ChangedError(InputError):
    """Other content lies where the video was."""


def _probed(row: Row, may_open: bool) -> Video:
    """The video, if it is what the run read. Raises VideoError or InputError."""
    if not may_open:
        raise InputError(f"{row['uri']}: cannot be opened")
    sources = list_sources([row["uri"] or ""])
    if len(sources) != 1:
        raise InputError(f"{row['uri']}: is a folder now")
    video = Probe()(sources[0])
    if row["fingerprint"] not in (None, video.fingerprint):
        raise _ChangedError(row["uri"])
    return video


def _webp(picture: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(content, "WEBP", quality=_QUALITY, method=4)
    return content.getvalue()


class _Kept:
    """An archive of one video's pictures, `WIDTH/SECONDS.webp`; its comment names the content they are of."""

    def __init__(self, path: Path, fingerprint: str | None) -> None:
        self.path, self.comment = path, (fingerprint or "").encode()

    def read(self, width: int) -> dict[float, bytes]:
        """Those of this width; none where the archive is damaged or of another content."""
        return {
            float(name.split("/")[1][:-5]): data for name, data in self._all().items() if name.startswith(f"{width}/")
        }

    def _all(self) -> dict[str, bytes]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                if archive.comment != self.comment:
                    return {}
                return {name: archive.read(name) for name in archive.namelist()}
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
            return {}

    def write(self, width: int, pictures: Pictures) -> None:
        """Beside those of other widths; not at all where the folder cannot be written."""
        named = {f"{width}/{time_s:.3f}.webp": picture for time_s, picture in pictures.items()}
        temp = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with suppress(OSError):
            self.path.parent.mkdir(exist_ok=True)
            with zipfile.ZipFile(temp, "w") as archive:
                archive.comment = self.comment
                for name, picture in sorted((self._all() | named).items()):
                    archive.writestr(name, picture)
            temp.replace(self.path)
        with suppress(OSError):
            temp.unlink()
