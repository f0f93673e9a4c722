"""Claims about what a run tells of itself at its end."""

import io

from rich.console import Console

from pipeline.progress import Progress


def test_summary_counts_what_was_looked_for_and_nothing_else() -> None:
    shown = io.StringIO()
    progress = Progress(Console(file=shown, width=100))
    progress.tally.book("ok", {"people": 1200, "tubes": 3})
    progress.tally.book("ok", {"people": 1, "tubes": 0})
    progress.tally.book("failed", {})
    progress.summary("out")
    lines = [line.split() for line in shown.getvalue().splitlines()]
    assert ["people", "1,201"] in lines and ["tubes", "3"] in lines
    assert ["inputs", "2", "ok,", "1", "failed"] in lines and not any("actions" in line for line in lines)
