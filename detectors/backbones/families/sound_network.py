"""A small network that hears: sound to a row of vectors, one for every 0.16 s.

Shape letters: N clips, T frames, A samples beside a frame, S moments, C channels.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from detectors.backbones.families.log_mel import BANDS, LogMel, moments

CHANNELS = (1, 32, 64, 128, 256)  # of convolutions that halve time and bands


class SoundNetwork(nn.Module):
    """Four convolutions over the log-mel spectrogram as if it were a picture; a moment's bands become one vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.log_mel = LogMel()
        self.units = nn.Sequential(*(_unit(*both) for both in pairwise(CHANNELS)))
        self.layer = nn.Linear(CHANNELS[-1] * _halved(BANDS), width)

    def forward(self, sound_NTA: Tensor) -> Tensor:
        """Vectors (N, S, width)."""
        map_NCSB = self.units(self.log_mel(sound_NTA.flatten(1))[:, None])
        vectors_NSC: Tensor = self.layer(map_NCSB.permute(0, 2, 1, 3).flatten(2))
        return torch.relu(vectors_NSC)


def vectors_of(samples: int) -> int:
    """How many vectors a sound of that length becomes."""
    return _halved(moments(samples))


def _halved(length: int) -> int:
    """By every convolution, rounded up."""
    return -(-length // (1 << len(CHANNELS) - 1))


def _unit(channels_in: int, channels_out: int) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels_out, 3, 2, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True))
