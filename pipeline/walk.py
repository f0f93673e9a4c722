"""Walk folders for videos, dropping nothing silently: what looks like a video but cannot be one is found too."""

# Paths stay strings here: cheap over 100,000 files, and safe for names that are no UTF-8.
# ruff: noqa: PTH116, PTH118, PTH119, PTH122

import errno
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.errors import Refusal

_SUFFIXES = ".mp4 .m4v .mov .mkv .webm .avi .ts .m2ts .mts .mpg .mpeg .wmv .flv .3gp .ogv .mxf .vob"
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())

EMPTY: Refusal = ("EmptyFile", "the file has zero bytes")
IS_A_DIRECTORY: Refusal = ("IsADirectory", "it is a directory, not a video")
NOT_A_FILE: Refusal = ("NotAFile", "it is a pipe, socket or device, not a file")
NOT_FOUND: Refusal = ("NotFound", "there is no such file")
NO_PERMISSION: Refusal = ("PermissionDenied", "no permission to read it")
CANNOT_LIST: Refusal = ("PermissionDenied", "no permission to list this folder; what it holds is not known")
LINK_LOOP: Refusal = ("SymlinkLoop", "it is a symbolic link that leads back to itself")
PARENT_LOOP: Refusal = ("SymlinkLoop", "it is a symbolic link to a folder that it lies in itself; not followed")
_BY_ERRNO = {errno.ENOENT: NOT_FOUND, errno.EACCES: NO_PERMISSION, errno.ELOOP: LINK_LOOP}


@dataclass(frozen=True, slots=True)
class Found:
    """Something that is, or should have been, a video."""

    key: str  # path below the place where the search began
    uri: str  # absolute path, or URI
    real: str  # the same without symbolic links: what tells one file from another
    size: int = 0
    error: Refusal | None = None


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str
    real: str
    parents: tuple[str, ...]  # real paths of the folders gone through
    depth: int


def is_video_name(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES


def look(path: str, key: str) -> Found:
    """One named path, whatever its suffix."""
    real = os.path.realpath(path)
    try:
        status = os.stat(path)
    except OSError as error:
        return Found(key, path, path, error=explain(error))
    return _judge(key, path, real, status)


def explain(error: OSError) -> Refusal:
    return _BY_ERRNO.get(error.errno or 0) or (type(error).__name__, f"it cannot be read: {error.strerror or error}")


class Walk:
    """Findings below a folder; `takes` says by the path below it whether a name is wanted; depth 1 is its own names.

    Every real folder is read once, those reached directly before those behind symbolic links. Hidden names are skipped.
    """

    def __init__(self, path: str, *, takes: Callable[[str], bool] = is_video_name, max_depth: int | None = None):
        self.takes = takes
        self.max_depth = max_depth
        self.prefix = len(os.path.join(path, ""))
        self.direct = [_Folder(path, os.path.realpath(path), (), 1)]
        self.linked: deque[_Folder] = deque()

    def __iter__(self) -> Iterator[Found]:
        seen: set[str] = set()
        while self.direct or self.linked:
            folder = self.direct.pop() if self.direct else self.linked.popleft()
            if folder.real not in seen:
                seen.add(folder.real)
                yield from self._read(folder)

    def _read(self, folder: _Folder) -> Iterator[Found]:
        try:
            with os.scandir(folder.path) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        yield from (self._link if entry.is_symlink() else self._entry)(folder, entry)
        except OSError as error:
            why = CANNOT_LIST if error.errno == errno.EACCES else explain(error)
            key = folder.path[self.prefix :] or os.path.basename(folder.path)
            yield Found(key, folder.path, folder.real, error=why)

    def _entry(self, folder: _Folder, entry: os.DirEntry[str]) -> Iterator[Found]:
        key, real = entry.path[self.prefix :], os.path.join(folder.real, entry.name)
        if entry.is_dir(follow_symlinks=False):
            if self.takes(key):
                yield Found(key, entry.path, real, error=IS_A_DIRECTORY)
            if self._goes_below(folder):
                self.direct.append(_below(folder, entry.path, real))
        elif self.takes(key):
            yield _stat(key, entry, real)

    def _link(self, folder: _Folder, entry: os.DirEntry[str]) -> Iterator[Found]:
        key = entry.path[self.prefix :]
        try:
            status = entry.stat()
        except OSError as error:
            # A link that leads nowhere may have been a folder of videos; one without a suffix is reported too.
            if self.takes(key) or (self._goes_below(folder) and not os.path.splitext(key)[1]):
                yield Found(key, entry.path, entry.path, error=explain(error))
            return
        real = os.path.realpath(entry.path)
        if not stat.S_ISDIR(status.st_mode):
            if self.takes(key):
                yield _judge(key, entry.path, real, status)
        elif _lies_in(folder, real):
            yield Found(key, entry.path, entry.path, error=PARENT_LOOP)
        else:
            if self.takes(key):
                yield Found(key, entry.path, entry.path, error=IS_A_DIRECTORY)
            if self._goes_below(folder):
                self.linked.append(_below(folder, entry.path, real))

    def _goes_below(self, folder: _Folder) -> bool:
        return self.max_depth is None or folder.depth < self.max_depth


def _below(folder: _Folder, path: str, real: str) -> _Folder:
    return _Folder(path, real, (*folder.parents, folder.real), folder.depth + 1)


def _lies_in(folder: _Folder, real: str) -> bool:
    """Whether a folder is, or lies in, the one at `real`: by its real path or by the links gone through."""
    return real in folder.parents or os.path.join(folder.real, "").startswith(os.path.join(real, ""))


def _stat(key: str, entry: os.DirEntry[str], real: str) -> Found:
    try:
        status = entry.stat()
    except OSError as error:
        return Found(key, entry.path, entry.path, error=explain(error))
    return _judge(key, entry.path, real, status)


def _judge(key: str, path: str, real: str, status: os.stat_result) -> Found:
    error = None
    if stat.S_ISDIR(status.st_mode):
        error = IS_A_DIRECTORY
    elif not stat.S_ISREG(status.st_mode):
        error = NOT_A_FILE
    elif status.st_size == 0:
        error = EMPTY
    elif not status.st_mode & stat.S_IROTH and not os.access(path, os.R_OK):
        error = NO_PERMISSION
    return Found(key, path, real, status.st_size if error is None else 0, error)
