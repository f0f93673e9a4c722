"""Files that others publish, and the plainest kind of them: one file at one address, downloaded and checked.

What reaches the network is imported inside functions: workers that find their files cached need none of it.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from detectors.errors import WeightsError

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int | None], None]  # bytes of the download so far, bytes in all if the server says

PIECE_BYTES = 1 << 16
TIMEOUT_S = (10.0, 60.0)  # to connect, between two reads
ANOTHER_WAY = (
    "fetch it on a connected machine with `run.py weights fetch` and copy the cache folder here "
    "(or name a copy with UNTRIMMED_CACHE)"
)
A_LOCAL_FILE = "or give a local file as `--set backbone.weights=PATH` or `--set persons.detector.weights=PATH`"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile(ABC):
    """One file that others publish: what is known of it, and the way to have it."""

    licence: str
    description: str
    accuracy: str | None = None  # as its publishers measured it
    size: int | None = None  # bytes
    sha256: str | None = None  # hex digits: all 64, or as many of the first as are known

    @property
    @abstractmethod
    def file_name(self) -> str:
        """Its name in the cache."""

    @property
    @abstractmethod
    def origin(self) -> str:
        """Where it comes from, in words or as an address."""

    @abstractmethod
    def take(self, room: Path, progress: Progress | None = None) -> Path:
        """Download it into an empty folder and check it. Raises WeightsError; OSError is the folder's."""

    def is_whole(self, path: Path) -> bool:
        """Whether that file agrees with all that is known of this one; raises OSError if it cannot be read."""
        num_bytes = path.stat().st_size
        if num_bytes == 0 or self.size not in (None, num_bytes):
            return False
        return self.sha256 is None or sha256_of(path).startswith(self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebFile(PublishedFile):
    """One file at a public address."""

    address: str

    @property
    def file_name(self) -> str:
        return unquote(urlsplit(self.address).path).rpartition("/")[2]

    @property
    def origin(self) -> str:
        return self.address

    def take(self, room: Path, progress: Progress | None = None) -> Path:
        path = room / self.file_name
        self._download(path, progress)
        if self.sha256 is None and _is_web_page(path):  # some networks answer every request with a page to log in
            raise self._cannot("answers with a web page")
        check(path, size=self.size, sha256=self.sha256, way_out=f"fetch again, {A_LOCAL_FILE}")
        return path

    def _download(self, to: Path, progress: Progress | None) -> None:
        try:
            import requests
        except ImportError as error:
            raise self._cannot("is out of reach: requests is not installed") from error
        try:
            with requests.Session() as session:
                download(session, self.address, to, progress)
        except requests.RequestException as error:
            raise self._cannot(reason(error)) from error

    def _cannot(self, why: str) -> WeightsError:
        what = f"{self.file_name} cannot be fetched: {host(self.address)} {why}"
        return WeightsError(f"{what}; {ANOTHER_WAY}, {A_LOCAL_FILE}")


def download(session: "requests.Session", address: str, to: Path, progress: Progress | None) -> None:
    """Stream an address into a file. Raises requests.RequestException, also if it breaks off; OSError is the file's."""
    unencoded = {"Accept-Encoding": "identity"}  # or a tar.gz might arrive unpacked
    with session.get(address, stream=True, timeout=TIMEOUT_S, headers=unencoded) as response:
        response.raise_for_status()
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        done = 0
        with to.open("wb") as file:
            for piece in response.iter_content(PIECE_BYTES):
                file.write(piece)
                done += len(piece)
                if progress is not None:
                    progress(done, total)


def reason(error: Exception) -> str:
    """Why a download failed: a phrase that follows the name of the host."""
    import requests

    response = getattr(error, "response", None)
    if isinstance(response, requests.Response):
        return f"answers {response.status_code}"
    if isinstance(error, requests.Timeout) or "Read timed out" in str(error):  # within a body it is no Timeout
        return "does not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "cannot be reached securely (TLS failed)"
    if isinstance(error, requests.ConnectionError):
        return "cannot be reached"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "breaks off before the end of the file"
    return f"gives no usable answer ({type(error).__name__})"


def host(address: str) -> str:
    """The host without what the address may hold of passwords."""
    return urlsplit(address).hostname or "(no host in its URL)"


def check(path: Path, *, size: int | None = None, sha256: str | None, way_out: str) -> None:
    """Remove and refuse a file that is not what was published, as far as that is known. Raises WeightsError."""
    num_bytes, digits = path.stat().st_size, sha256_of(path)
    if sha256 is not None and not digits.startswith(sha256):
        found, expected = f"sha256 {digits}", sha256
    elif num_bytes == 0 or size not in (None, num_bytes):
        found, expected = f"{num_bytes} bytes", "more" if size is None else str(size)
    else:
        return
    path.unlink()
    raise WeightsError(f"{path.name} has {found} where {expected} was expected, and was removed; {way_out}")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_web_page(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(256).lstrip().lower().startswith((b"<!doctype", b"<html"))
