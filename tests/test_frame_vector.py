"""A frame's vector: where things are is told as it is, in pictures of any size, and how that has changed.

Shape letters: N clips, C channels, T frames, h x w cells of a map.
"""

import pytest
import torch
from torch import Tensor

from detectors.backbones.families.frame_vector import FramePoints, FrameVector

pytestmark = pytest.mark.usefixtures("one_thread")


def spots(*places: tuple[int, int], rows: int = 9, columns: int = 5) -> Tensor:
    """A clip's map (1, 1, T, h, w) with one bright cell in each frame."""
    map_NCTHW = torch.zeros(1, 1, len(places), rows, columns)
    for frame, (row, column) in enumerate(places):
        map_NCTHW[0, 0, frame, row, column] = 50.0
    return map_NCTHW


def test_a_point_is_where_its_channel_is() -> None:
    points = FramePoints(1).eval()
    with torch.inference_mode():
        mean_column_row_T3 = points(spots((0, 0), (8, 2), (4, 4)))[0]
    expected_T3 = torch.tensor([[50 / 45, -1, -1], [50 / 45, 0, 1], [50 / 45, 1, 0]])
    torch.testing.assert_close(mean_column_row_T3, expected_T3, rtol=1e-4, atol=1e-4)


def test_places_are_shares_of_the_picture_whatever_its_size() -> None:
    points = FramePoints(1).eval()
    with torch.inference_mode():
        small_T3, large_T3 = points(spots((2, 0), rows=5, columns=3))[0], points(spots((8, 0), rows=17, columns=9))[0]
    torch.testing.assert_close(small_T3[:, 1:], large_T3[:, 1:], rtol=1e-4, atol=1e-4)


def test_equal_frames_have_equal_vectors_and_changed_ones_tell_from_where() -> None:
    torch.manual_seed(0)
    vector = FrameVector(1, 16).eval()
    still, from_left, from_right = ((3, 3), (3, 3)), ((3, 1), (3, 3)), ((3, 4), (3, 3))
    with torch.inference_mode():
        still_TC, left_TC, right_TC = (vector(spots(*places))[0] for places in (still, from_left, from_right))
    torch.testing.assert_close(still_TC[0], still_TC[1])
    assert min(float((a[1] - b[1]).norm()) for a, b in ((still_TC, left_TC), (left_TC, right_TC))) > 0.1


def test_a_frame_is_compared_with_the_one_that_was_seen_before_it() -> None:
    torch.manual_seed(0)
    vector = FrameVector(1, 16).eval()
    with torch.inference_mode():
        points_TP = vector.points(spots((3, 1), (0, 0), (3, 3)))[0]
        skipped_C = vector.of_points(points_TP[2], points_TP[0])
        torch.testing.assert_close(skipped_C, vector(spots((3, 1), (3, 3)))[0, 1])
