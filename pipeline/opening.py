"""Where a source's bytes come from: a local path, or anything pyarrow.fs opens by URI."""

# Paths stay strings here: cheap over 100,000 files, and safe for names that are no UTF-8.
# ruff: noqa: PTH100, PTH123

import hashlib
import io
import os
import re
from typing import Any, BinaryIO, cast
from urllib.parse import quote, unquote_to_bytes

from pyarrow import fs

BLOCK_BYTES = 64 * 1024
NUM_BLOCKS = 16
READ_AHEAD_BYTES = 1 << 20  # a demuxer reads 32 KB at a time; an object store wants fewer, larger requests

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def open_source(uri: str) -> str | BinaryIO:
    """What to hand to av.open: a path for a local file, a seekable binary file otherwise. Raises OSError."""
    path = local_path(uri)
    return _open_remote(uri, READ_AHEAD_BYTES) if path is None else path


def fingerprint(uri: str, size: int) -> str:
    """sha256 over the size and 16 blocks of 64 KB spread over the content, all of it when it is no longer than that."""
    digest = hashlib.sha256(str(size).encode())
    path = local_path(uri)
    with _open_remote(uri, BLOCK_BYTES) if path is None else open(path, "rb", BLOCK_BYTES) as file:
        for offset in _block_offsets(size):
            file.seek(offset)
            digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()


def local_path(uri: str) -> str | None:
    """Absolute path of a local file or file:// URI, None for any other URI.

    Absolute, since FFmpeg takes a relative `a:b.mp4` for a URL.
    """
    if not _URI.match(uri):
        return os.path.abspath(uri)
    scheme, _, rest = uri.partition("://")
    host, _, path = rest.partition("/")
    if scheme.lower() != "file" or host not in ("", "localhost"):
        return None
    return os.fsdecode(unquote_to_bytes(os.fsencode("/" + path)))


def portable(path: str) -> str:
    """The path, or its file:// URI if its bytes are no UTF-8, which tables and messages could not carry."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "file://" + quote(os.fsencode(path))
    return path


def filesystem(uri: str) -> tuple[Any, str]:
    """The pyarrow filesystem of a URI and the path in it. Raises OSError or ValueError."""
    store, path = fs.FileSystem.from_uri(uri)
    return store, path


def _open_remote(uri: str, buffer_bytes: int) -> BinaryIO:
    store, path = filesystem(uri)
    return cast(BinaryIO, io.BufferedReader(store.open_input_file(path), buffer_bytes))


def _block_offsets(size: int) -> list[int]:
    if size <= NUM_BLOCKS * BLOCK_BYTES:
        return list(range(0, size, BLOCK_BYTES))
    return [index * (size - BLOCK_BYTES) // (NUM_BLOCKS - 1) for index in range(NUM_BLOCKS)]
