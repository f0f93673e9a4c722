"""Features that outlive their run: a folder a video, which counts once the marker in it, written last, lists its files.

Entries are found by what determines features, so a video that was renamed, or copied, is still the same.
"""

import contextlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipeline.ledger import VideoWork
from pipeline.records import Failure, Segment, Span, Video
from pipeline.spool import SpooledFeatures
from pipeline.tables import publish, storing

FOLDER = "features"  # beside the weights
MARKER = "video.json"
_ENTRY = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """What an entry was made with."""

    features_hash: str
    backbone: dict[str, Any]
    frames: dict[str, Any]
    persons: dict[str, Any] | None = None  # None: people were not looked for


@dataclass(frozen=True, slots=True)
class CachedSegment:
    """One file of an entry."""

    index: int
    start_s: float
    stop_s: float
    is_last: bool
    file: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class CachedVideo:
    """All features of a video, on disk."""

    folder: Path
    video: str  # its key when it was kept
    uri: str
    end_s: float
    failures: tuple[Failure, ...]  # spans without a readable picture
    segments: tuple[CachedSegment, ...]
    settings: FeatureSettings
    kept_at: float  # seconds since the epoch

    @property
    def blocks(self) -> SpooledFeatures:
        """Consecutive; may be gone through again and again. Going through them raises DamagedSegments."""
        return SpooledFeatures([self.folder / segment.file for segment in self.segments], self.video)

    @property
    def lost(self) -> tuple[Span, ...]:
        return tuple(failure.span_s for failure in self.failures if failure.span_s is not None)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(segment.size for segment in self.segments)

    def segments_of(self, video: Video) -> list[Segment]:
        """The video cut as it was when it was kept."""
        return [Segment(video, one.index, one.start_s, one.stop_s, one.is_last) for one in self.segments]


class FeatureCache:
    """Entries below one folder, which need not exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()  # the same on every worker

    def entry(self, features_key: str) -> Path:
        """Folder of a video's segments and marker."""
        return self.folder / features_key

    def cached(self, features_key: str) -> CachedVideo | None:
        """The video if it is there, every file in its full size; whether they can be read shows when they are."""
        return read_entry(self.entry(features_key))

    def mark(self, work: VideoWork, end_s: float, failures: tuple[Failure, ...], settings: FeatureSettings) -> None:
        """Make a video count whose segments all lie in its entry. Raises StopRun when the disk refuses."""
        folder = self.entry(work.features_key)
        with storing(folder):
            segments = [_described(segment, folder / work.paths[segment.index].name) for segment in work.segments]
            marker = {
                "video": work.source.key,
                "uri": work.source.uri,
                "end_s": end_s,
                "kept_at": time.time(),
                "settings": asdict(settings),
                "failures": [asdict(failure) for failure in failures],
                "segments": [asdict(segment) for segment in segments],
            }
            temp = folder / f".{MARKER}.{uuid4().hex}.tmp"
            temp.write_text(json.dumps(marker, indent=1), encoding="utf-8")
            publish(temp, folder / MARKER)

    def unmark(self, features_key: str) -> None:
        """Something of it cannot be read, so it must not count; a cache that is not ours to change stays as it is."""
        with contextlib.suppress(OSError):
            (self.entry(features_key) / MARKER).unlink()

    def entries(self) -> Iterator[Path]:
        """Every entry's folder, of unfinished videos too."""
        if self.folder.is_dir():
            yield from sorted(path for path in self.folder.iterdir() if _ENTRY.fullmatch(path.name))


def read_entry(folder: Path) -> CachedVideo | None:
    """What the marker in a folder tells, None if it does not count."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        segments = tuple(CachedSegment(**one) for one in marker["segments"])
        if any((folder / one.file).stat().st_size != one.size for one in segments):
            return None
        failures = tuple(Failure(**{**one, "span_s": tuple(one["span_s"])}) for one in marker["failures"])
        return CachedVideo(
            folder=folder,
            video=marker["video"],
            uri=marker["uri"],
            end_s=marker["end_s"],
            failures=failures,
            segments=segments,
            settings=FeatureSettings(**marker["settings"]),
            kept_at=marker["kept_at"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _described(segment: Segment, path: Path) -> CachedSegment:
    return CachedSegment(
        segment.index, segment.start_s, segment.stop_s, segment.is_last, path.name, path.stat().st_size
    )
