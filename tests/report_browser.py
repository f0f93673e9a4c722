"""A report's page opened in a browser, and what tests ask of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

EVIL = "</script><img src=x onerror=alert(1)>"
LONG = "long/" + "a-camera-with-a-name-that-goes-on-and-on-" * 4 + ".mp4"
PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@dataclass
class Seen:
    """A page, and what went wrong or was asked for outside of it."""

    page: Any
    wrong: list[str] = field(default_factory=list)

    def tally(self) -> str:
        return str(self.page.inner_text("#tally"))

    def set_score(self, score: float) -> None:
        script = "(score, value) => { score.value = value; score.dispatchEvent(new Event('input')); }"
        self.page.locator("#score").evaluate(script, score)

    def labels(self) -> dict[str, list[str]]:
        rows = self.page.locator("#labels tbody tr").all()
        return {row.locator(".label-name").inner_text(): row.locator("td").all_inner_texts() for row in rows}

    def videos(self) -> list[str]:
        """Of the cards shown, by their text: those far from the screen are not rendered."""
        return list(self.page.locator(".card:visible h3").all_text_contents())

    def focused(self) -> str:
        script = "(({id, className, textContent}) => id || textContent || className)(document.activeElement)"
        return str(self.page.evaluate(script))


Open = Callable[..., Seen]


def until(page: Any, script: str, argument: Any = None) -> None:
    """Waits for a condition; Playwright's own way is one that the page's policy forbids."""
    deadline = time.monotonic() + 5
    while not page.evaluate(script, argument):
        assert time.monotonic() < deadline, script
        page.wait_for_timeout(20)
