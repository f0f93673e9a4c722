"""Where commands write: stdout, and stderr for errors and warnings."""

from rich.console import Console
from rich.markup import escape

console = Console()
errors = Console(stderr=True)


def say_error(message: object) -> None:
    """One plain line, however wide the terminal."""
    errors.print(escape(str(message)), style="red", highlight=False, soft_wrap=True)
