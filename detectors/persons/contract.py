"""What every person detector promises, so that stages can ask any of them without knowing which it is.

Shape letters: N pictures, H rows, W columns, M people of one picture.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class PictureSize:
    """What size of picture a detector was trained with, so that no more is decoded than it looks at."""

    short_side: int  # pixels
    long_side: int | None  # at most, in pixels; the short side is then smaller
    square: bool  # squashed to short_side x short_side


class PeopleInPicture(NamedTuple):
    """The people of one picture by falling score, float32."""

    boxes_M4: np.ndarray  # x1, y1, x2, y2 in 0..1 of the picture, within it
    scores_M: np.ndarray  # in 0..1


class PersonDetector(nn.Module, ABC):
    """A network from pictures to boxes of the people in them."""

    picture: PictureSize

    @abstractmethod
    def detect(self, pictures_NHWC: Tensor, min_score: float) -> list[tuple[Tensor, Tensor]]:
        """Boxes (M, 4) and scores (M,) of every picture as PeopleInPicture has them, with scores above `min_score`.

        Pictures are uint8 RGB of any one size; each is judged by itself.
        """

    @abstractmethod
    def load(self, path: Path) -> None:
        """Fill in the weights of a file. Raises WeightsError if it is not this network's."""
