"""How a command ends: exit codes, and what a user can mend told in plain lines."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from commands.console import say_error

OK, STOPPED, USAGE, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130


@contextmanager
def plain_errors() -> Iterator[None]:
    """What a user can mend is told in plain lines, with the exit code that says what kind it is."""
    from annotations.errors import AnnotationError
    from detectors.weights import WeightsError
    from pipeline.config import ConfigError
    from pipeline.errors import InputError, StopRun

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except (AnnotationError, ConfigError, InputError) as error:
        say_error(error)
        raise typer.Exit(USAGE) from None
    except (StopRun, WeightsError) as error:
        say_error(error)
        raise typer.Exit(STOPPED) from None
    except KeyboardInterrupt:
        say_error("interrupted: what is committed stays; give the same command again to go on")
        raise typer.Exit(INTERRUPTED) from None


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
