"""What people in made-up pictures look like."""

import numpy as np
import pytest

from detectors.persons.looks import LENGTH, looks, similarity

GREY, RED, BLUE, DARK = (128, 128, 128), (190, 30, 40), (40, 60, 150), (35, 35, 40)


def picture(people: list[tuple[tuple[float, ...], tuple[int, ...], tuple[int, ...]]]) -> np.ndarray:
    """A noisy yard with people: box, colour of the shirt, of the trousers."""
    image = np.full((300, 300, 3), GREY, np.float64)
    for box, shirt, trousers in people:
        x1, y1, x2, y2 = (round(300 * side) for side in box)
        middle = (y1 + y2) // 2
        image[y1:middle, x1:x2], image[middle:y2, x1:x2] = shirt, trousers
    image += np.random.default_rng(1).normal(0, 6, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


HERE, THERE, SMALL = (0.1, 0.2, 0.2, 0.6), (0.6, 0.3, 0.7, 0.7), (0.4, 0.5, 0.45, 0.7)


def alike(first: np.ndarray, second: np.ndarray) -> float:
    return float(similarity(first[None], second[None])[0])


def test_somebody_is_known_again_elsewhere_and_farther_off() -> None:
    clothes = (RED, DARK)
    image = picture([(HERE, *clothes), (THERE, *clothes), (SMALL, *clothes)])
    one, again, farther = looks(image, np.array([HERE, THERE, SMALL]))
    assert alike(one, again) > 0.97
    assert alike(one, farther) > 0.95


@pytest.mark.parametrize("other", [(BLUE, DARK), (RED, BLUE), (DARK, RED)], ids=["shirt", "trousers", "exchanged"])
def test_other_clothes_look_different(other: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    one, another = looks(picture([(HERE, RED, DARK), (THERE, *other)]), np.array([HERE, THERE]))
    assert alike(one, another) < 0.85


def test_looks_do_not_depend_on_who_else_is_in_the_picture() -> None:
    image = picture([(HERE, RED, DARK), (THERE, BLUE, DARK)])
    both = looks(image, np.array([HERE, THERE]))
    assert both[1].tolist() == looks(image, np.array([THERE]))[0].tolist()


@pytest.mark.parametrize(
    "box",
    [(0.5, 0.5, 0.5, 0.5), (0, 0, 0, 0), (1, 1, 1, 1), (0.9, 0.9, 1.0, 1.0), (0, 0, 1, 1), (0.3, 0.2, 0.3, 0.9)],
    ids=str,
)
@pytest.mark.parametrize("size", [(300, 300), (1, 1), (20, 500)], ids=str)
def test_any_box_of_any_picture_has_looks_of_length_one(box: tuple[float, ...], size: tuple[int, int]) -> None:
    image = np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = looks(image, np.array([box], np.float32))
    assert found.shape == (1, LENGTH)
    assert found.dtype == np.float16
    assert LENGTH <= 64
    assert alike(found[0], found[0]) == pytest.approx(1, abs=2e-3)


def test_without_boxes_there_are_no_looks() -> None:
    assert looks(np.zeros((30, 30, 3), np.uint8), np.zeros((0, 4), np.float32)).shape == (0, LENGTH)
