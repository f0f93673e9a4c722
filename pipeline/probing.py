"""Many sources probed at once, under a bar where they are many."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.progress import track

from pipeline.errors import Refusal, describe
from pipeline.records import Source, Video

PROBES_AT_ONCE = 8
MANY = 20


def probe_all(sources: Sequence[Source], probe: Callable[[Source], Video]) -> Iterator[tuple[Source, Video | Refusal]]:
    """Each source in order, with its video or with why it cannot be used."""
    errors = Console(stderr=True)
    hidden = len(sources) < MANY or not errors.is_terminal
    pool = ThreadPoolExecutor(PROBES_AT_ONCE)
    try:
        probed = zip(sources, pool.map(lambda source: _probed(source, probe), sources), strict=True)
        yield from track(probed, "probe", len(sources), console=errors, transient=True, disable=hidden)
    finally:
        pool.shutdown(cancel_futures=True)


def _probed(source: Source, probe: Callable[[Source], Video]) -> Video | Refusal:
    try:
        return probe(source)
    except Exception as error:  # a file may fail in any way; the others are still to be told of
        return describe(error)
