"""Which object stores answer from here: asked once, since to open a video in one that does not takes many minutes."""

import threading
import time
from collections.abc import Iterable

import pyarrow as pa

from pipeline.opening import filesystem, local_path

PATIENCE_S = 15.0


def unreachable(uris: Iterable[str], patience_s: float = PATIENCE_S) -> set[str]:
    """Those of the addresses whose store refuses or does not answer in time; local files are not asked about."""
    remote = {uri for uri in uris if local_path(uri) is None}
    first_of_store = {_store(uri): uri for uri in remote}
    answered: set[str] = set()
    threads = [
        # A daemon: some stores' clients go on trying for a quarter of an hour, and cannot be told to stop.
        threading.Thread(target=_ask, args=(store, uri, answered), daemon=True)
        for store, uri in first_of_store.items()
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + patience_s
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return {uri for uri in remote if _store(uri) not in answered}


def _store(uri: str) -> str:
    """Scheme and host, and bucket with it."""
    return "/".join(uri.split("/", 3)[:3])


def _ask(store: str, uri: str, answered: set[str]) -> None:
    try:
        system, path = filesystem(uri)
        system.get_file_info(path)
    except (OSError, ValueError, pa.ArrowException):
        return
    answered.add(store)
