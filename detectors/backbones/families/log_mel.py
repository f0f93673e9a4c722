"""Log-mel spectrograms: how loud a sound is, moment by moment, in bands as wide as the ear tells them apart.

As for AudioSet's VGGish (Hershey et al., ICASSP 2017, arXiv 1609.09430): Hann windows of 25 ms every 10 ms, magnitudes
of their spectrum, 64 bands from 125 to 7500 Hz, log(x + 0.01).
Shape letters: N clips, M samples, S moments, F frequencies, B bands.
"""

from math import log, log1p

import torch
from torch import Tensor, nn

RATE = 16_000  # samples a second
WINDOW, HOP = 400, 160  # samples: 25 ms, 10 ms
SPECTRUM = 512  # samples, the window filled up with zeros
BANDS, LOWEST_HZ, HIGHEST_HZ = 64, 125.0, 7500.0
FLOOR = 0.01  # added, lest silence is infinitely far from all else


class LogMel(nn.Module):
    """Sound (N, M), -1..1, to (N, S, B); silence is 0, by a shift that VGGish does without."""

    window: Tensor
    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("bands", mel_bands(), persistent=False)

    def forward(self, sound_NM: Tensor) -> Tensor:
        spectrum_NSF = torch.fft.rfft(sound_NM.unfold(1, WINDOW, HOP) * self.window, SPECTRUM)
        loud_NSB: Tensor = (spectrum_NSF.abs() @ self.bands).float()
        return (loud_NSB + FLOOR).log() - log(FLOOR)


def moments(samples: int) -> int:
    """How many a sound of that length has."""
    return (samples - WINDOW) // HOP + 1


def mel_bands(
    rate: int = RATE,
    spectrum: int = SPECTRUM,
    bands: int = BANDS,
    lowest_hz: float = LOWEST_HZ,
    highest_hz: float = HIGHEST_HZ,
) -> Tensor:
    """Weights (F, B): triangles on HTK's mel scale, each from the middle of the band before to that after."""
    frequencies_mel = 1127.0 * torch.log1p(torch.linspace(0, rate / 2, spectrum // 2 + 1) / 700.0)
    lowest, highest = (1127.0 * log1p(hertz / 700.0) for hertz in (lowest_hz, highest_hz))
    apart = (highest - lowest) / (bands + 1)
    middles_mel = lowest + apart * torch.arange(1, bands + 1)
    weights_FB: Tensor = (1 - (frequencies_mel[:, None] - middles_mel).abs() / apart).clamp(min=0)
    weights_FB[0] = 0  # a constant is no sound
    return weights_FB
