"""What the feature cache holds, setting by setting, and what of it is removed on request."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StopRun
from pipeline.feature_cache import MARKER, CachedVideo, FeatureCache, FeatureSettings, read_entry

ABANDONED_AFTER_S = 24 * 3600.0  # a file of a video that is not finished; a run may be at work on it until then


@dataclass(slots=True)
class Amount:
    """So much of a cache."""

    videos: int = 0
    seconds: float = 0.0  # of video
    files: int = 0
    size: int = 0  # bytes

    def add(self, video: CachedVideo) -> None:
        self.videos += 1
        self.seconds += video.end_s
        self.add_files(video.size, len(video.segments))

    def add_files(self, size: int, files: int = 1) -> None:
        self.files += files
        self.size += size


@dataclass(slots=True)
class Holding:
    """All videos of one backbone with one setting of it and of its frames."""

    settings: FeatureSettings
    amount: Amount


def holdings(cache: FeatureCache) -> tuple[list[Holding], Amount]:
    """What there is by setting, the largest first; and the files of videos that are not finished."""
    by_setting: dict[str, Holding] = {}
    unfinished = Amount()
    for folder in cache.entries():
        video = read_entry(folder)
        if video is not None:
            new = Holding(video.settings, Amount())
            by_setting.setdefault(video.settings.features_hash, new).amount.add(video)
        for path in _unlisted(folder, video):
            with _removable(path):
                unfinished.add_files(path.stat().st_size)
    return sorted(by_setting.values(), key=lambda one: -one.amount.size), unfinished


def clear(
    cache: FeatureCache, *, older_than_s: float | None = None, backbone: str | None = None
) -> tuple[Amount, Amount]:
    """Remove videos kept longer ago, of that backbone; and files of videos that are not finished.

    Without a choice all of those, else the ones that are abandoned. Says how much of each went. Raises StopRun.
    """
    videos, unfinished = Amount(), Amount()
    chosen = older_than_s is not None or backbone is not None
    for folder in cache.entries():
        video = read_entry(folder)
        for path in _unlisted(folder, video):
            with _removable(path):
                about = path.stat()
                if not chosen or time.time() - about.st_mtime > ABANDONED_AFTER_S:
                    path.unlink()
                    unfinished.add_files(about.st_size)
        if video is not None and _is_meant(video, older_than_s, backbone):
            _remove([folder / MARKER, *(folder / one.file for one in video.segments)])
            videos.add(video)
        with contextlib.suppress(OSError):  # what is left in it, or just came, stays
            folder.rmdir()
    return videos, unfinished


def _is_meant(video: CachedVideo, older_than_s: float | None, backbone: str | None) -> bool:
    is_old = older_than_s is None or time.time() - video.kept_at > older_than_s
    return is_old and backbone in (None, video.settings.backbone.get("name"))


def _unlisted(folder: Path, video: CachedVideo | None) -> list[Path]:
    """Files of ours that no marker speaks for."""
    listed = set() if video is None else {MARKER, *(segment.file for segment in video.segments)}
    ours = [path for pattern in (MARKER, "*.npz", ".*.tmp") for path in folder.glob(pattern)]
    return [path for path in ours if path.name not in listed]


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with _removable(path):
            path.unlink()


@contextlib.contextmanager
def _removable(path: Path) -> Iterator[None]:
    """Who else removed it does no harm."""
    try:
        yield
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StopRun(f"cannot remove {path}: {error.strerror or error}") from None
