"""What several test files share."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings
from networks import unfilled
from torch import nn

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault of what is tested
settings.load_profile("untimed")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from more, and threads that wait for each other lose much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def slowfast_8x8() -> nn.Module:
    """To be refused things: it is unfilled, and stays so."""
    return unfilled("slowfast_r50_8x8")
