"""People: where they are and what each of them does. Detectors by name: a new one is a file and a line here."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from detectors.persons import torchvision_detectors
from detectors.persons.contract import PersonDetector
from detectors.persons.ssdlite_person import SsdLitePerson
from detectors.random_weights import made_the_same

DETECTORS: dict[str, Callable[[], PersonDetector]] = {
    "ssdlite_person": SsdLitePerson,
    **{name: partial(maker, name) for name, maker in torchvision_detectors.MAKERS.items()},
}

# The weights published for each detector, by their name in the table of weights.
PUBLISHED: dict[str, str] = {
    "ssdlite_person": "person_ssdlite",
    **{name: f"{name}_coco" for name in torchvision_detectors.MAKERS},
}


def create(name: str) -> PersonDetector:
    """A detector with random weights."""
    if name not in DETECTORS:
        raise ValueError(f"unknown person detector {name!r}; choose one of {', '.join(sorted(DETECTORS))}")
    return DETECTORS[name]()


def outline(name: str) -> PersonDetector:
    """A detector without memory for its weights, to be asked about itself."""
    with torch.device("meta"):
        return create(name).eval()


def load(name: str, path: Path | None) -> PersonDetector:
    """A detector with the weights of a file; without one with random weights, always the same ones."""
    if path is not None:
        detector = create(name)
        detector.load(path)
        return detector.eval()
    return made_the_same(partial(create, name)).eval()
