"""Networks with random weights, always the same ones: to try out a run without any that were trained."""

from collections.abc import Callable
from typing import TypeVar

import torch

Network = TypeVar("Network")


def made_the_same(make: Callable[[], Network]) -> Network:
    """What `make` makes, the same each time; random numbers that others draw are not disturbed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()
