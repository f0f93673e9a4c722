"""Features made elsewhere: a folder of <video>.npy, as ActionFormer and OpenTAD use them."""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.config import ConfigError
from pipeline.records import FeatureSequence
from pipeline.training_settings import FeatureFolderSettings
from training.collect import VideoFeatures

GREATEST = float(np.finfo(np.float16).max)  # lessons are kept in half precision


class FeatureFile:
    """One video's features, read from disk anew each time; step j has its middle at (offset + j * stride) / fps."""

    def __init__(self, path: Path, settings: FeatureFolderSettings) -> None:
        self.path = path
        self.settings = settings
        self.step_s = settings.stride / settings.fps
        middle = settings.stride / 2 if settings.offset is None else settings.offset
        self.start_s = middle / settings.fps - self.step_s / 2

    def __iter__(self) -> Iterator[FeatureSequence]:
        yield FeatureSequence(self.path.stem, self.read(), None, self.start_s, self.step_s)

    def read(self) -> np.ndarray:
        """(S, C). Raises ConfigError naming the file."""
        try:
            array = np.load(self.path, allow_pickle=False)
        except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
            raise ConfigError(f"{self.path} cannot be read as an array: {' '.join(str(error).split())}") from None
        if not isinstance(array, np.ndarray):
            raise ConfigError(f"{self.path} is an archive of arrays, not one array: save it with numpy.save")
        array = array.T if self.settings.channels_first else array
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating) or not array.size:
            raise ConfigError(f"{self.path} must hold (steps, channels) of floats, got {array.shape} of {array.dtype}")
        if not (np.abs(array) <= GREATEST).all():  # nor is any other number that is none
            raise ConfigError(f"{self.path} holds values that are not finite or beyond {GREATEST:g}; compute it anew")
        return np.asarray(array, np.float32)


def features_in_folder(
    settings: FeatureFolderSettings, names: Sequence[str], durations_s: Sequence[float | None]
) -> dict[str, VideoFeatures]:
    """Of those videos that have a file; without a duration in the annotations a video ends with its last step.

    Raises ConfigError naming a file that cannot be used.
    """
    folder = Path(settings.folder)
    if not folder.is_dir():
        raise ConfigError(f"training.features.folder: {folder} is not a folder")
    found, channels = {}, set()
    for name, duration_s in zip(names, durations_s, strict=True):
        file = FeatureFile(folder / f"{name}.npy", settings)
        if file.path.is_file():
            shape = file.read().shape
            channels.add(shape[1])
            found[name] = VideoFeatures(file, duration_s or file.start_s + shape[0] * file.step_s)
        if len(channels) > 1:
            raise ConfigError(f"{file.path} has {shape[1]} channels, others have {min(channels - {shape[1]})}")
    return found
