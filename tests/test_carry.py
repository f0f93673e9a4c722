"""What is carried from chunk to chunk: any window over any chunks, branches that lag, views of time."""

import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from detectors.dense.carry import Carry, View, Window, align, over_time


@settings(max_examples=200, deadline=None)
@given(
    kernel=st.integers(1, 7),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=8),
)
def test_any_window_slides_over_any_chunks(kernel: int, stride: int, padding: int, lengths: list[int]) -> None:
    total = max(sum(lengths), kernel)
    lengths[-1] += total - sum(lengths)
    x_NCTHW = torch.arange(1.0, total + 1).view(1, 1, total, 1, 1)
    window = Window(kernel, stride, padding, padding)

    def means(x_NCTHW: Tensor) -> Tensor:
        return x_NCTHW.unfold(2, kernel, stride).mean(-1)

    expected = means(F.pad(x_NCTHW, (0, 0, 0, 0, padding, padding)))
    carry, parts = Carry(), []
    for index, chunk_NCTHW in enumerate(x_NCTHW.split(lengths, dim=2)):
        carry.last = index == len(lengths) - 1
        parts.append(over_time(means, chunk_NCTHW, window=window, carry=carry, key="means"))
    torch.testing.assert_close(torch.cat(parts, dim=2), expected)


def test_branches_that_lag_are_waited_for() -> None:
    x_NCTHW = torch.arange(10.0).view(1, 1, 10, 1, 1)
    carry = Carry()
    first = align([x_NCTHW[:, :, :6], x_NCTHW[:, :, :2]], carry=carry, key="", crops=(0, 0))
    second = align([x_NCTHW[:, :, 6:], x_NCTHW[:, :, 2:9]], carry=carry, key="", crops=(0, 0))
    assert [part.flatten().tolist() for part in first] == [[0, 1], [0, 1]]
    assert [part.flatten().tolist() for part in second] == [[2, 3, 4, 5, 6, 7, 8]] * 2


def test_a_view_is_what_the_windows_below_it_add_up_to() -> None:
    view = View().through(Window(7, 2, 3, 3)).through(Window(3, 1, 1, 1)).through(Window(3, 2, 1, 1))
    assert view == View(stride=4, before=3 + 2 + 2, after=3 + 2 + 2)
    assert (view.first, view.halo_before, view.halo_after) == (2, 7, 4)
