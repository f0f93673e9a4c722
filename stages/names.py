"""Names in a config: refused where they are unknown, those of weights made to mean the same everywhere."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from detectors.weights import RANDOM
from pipeline.config import ConfigError


def check_known(field: str, name: str, choices: Iterable[str]) -> None:
    """Raises ConfigError."""
    if name not in choices:
        raise ConfigError(f"{field}: unknown {name!r}; one of: {', '.join(sorted(choices))}")


def named_weights(field: str, given: str, published: Sequence[str], network: str) -> str:
    """A name, or the full path of a file, which means the same on every worker. Raises ConfigError."""
    if given == "auto" and published:
        return published[0]
    if given in (*published, RANDOM):
        return given
    if Path(given).is_file():
        return str(Path(given).resolve())
    known = ", ".join(published) or "none are published"
    raise ConfigError(
        f"{field}: {given!r} is neither a file nor one of the weights for {network} ({known}); "
        f"{RANDOM} is for trying out"
    )
