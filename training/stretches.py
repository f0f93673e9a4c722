"""The stretches of training videos that fine-tuning looks at, decoded beside the computing."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from pipeline.contracts import FeatureStages
from pipeline.records import Video
from pipeline.training_settings import TrainingSettings
from training.augment import cut
from training.footage import Footage, decoded
from training.videos import Lesson

AHEAD = 2  # batches that are decoded while one is computed


@dataclass(frozen=True, eq=False, slots=True)
class Stretch:
    """What a part of a video shows, and what is to be learned from it."""

    footage: Footage
    lesson: Lesson


class Stretches:
    """Of some videos, as often as each is long, begun anywhere."""

    def __init__(
        self, lessons: Sequence[Lesson], videos: Sequence[Video], stages: FeatureStages, settings: TrainingSettings
    ) -> None:
        self.lessons, self.videos, self.stages, self.settings = lessons, videos, stages, settings
        self.longest = max(1, round(settings.finetune.stretch_s / stages.step_s))
        lengths = [len(lesson.shown_S) for lesson in lessons]
        self.order = [number for number, length in enumerate(lengths) for _ in range(-(-length // self.longest))]

    @property
    def batches(self) -> int:
        """In an epoch."""
        return -(-len(self.order) // self.settings.finetune.batch)

    def of_epoch(self, epoch: int, stride: int) -> Iterator[list[Stretch]]:
        """Its batches; only the seed and the epoch decide which. Raises StopRun if a video cannot be read any more."""
        rng = np.random.default_rng([self.settings.seed, epoch])
        chosen = [(number, self._steps(number, rng)) for number in rng.permutation(self.order).tolist()]
        waiting: deque[list[Future[Stretch]]] = deque()
        with ThreadPoolExecutor(AHEAD) as pool:
            for first in range(0, len(chosen), self.settings.finetune.batch):
                batch = chosen[first : first + self.settings.finetune.batch]
                waiting.append([pool.submit(self._stretch, *one, stride) for one in batch])
                if len(waiting) > AHEAD:
                    yield [one.result() for one in waiting.popleft()]
            while waiting:
                yield [one.result() for one in waiting.popleft()]

    def _steps(self, number: int, rng: np.random.Generator) -> range:
        there_are = len(self.lessons[number].shown_S)
        length = min(self.longest, there_are)
        first = int(rng.integers(0, there_are - length + 1))
        return range(first, first + length)

    def _stretch(self, number: int, steps: range, stride: int) -> Stretch:
        footage = decoded(self.stages.decode, self.videos[number], steps, step_s=self.stages.step_s, stride=stride)
        return Stretch(footage, cut(self.lessons[number], steps))
