"""Factorised space-time attention: over time at each place, then over space in each frame (TimeSformer, ICML 2021).

Bertasius et al., arXiv 2102.05095. Tokens are the cells of an image network's map of each frame. There is no class
token: the mean of all is a clip's feature. Heads begin by looking at frames just before and after, which the paper's do
not: trained from nothing on few clips, they otherwise learn them by heart and nothing about order.
Shape letters: N clips, C channels, T frames, P places, h x w cells of a map, D differences between frames.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from detectors.backbones.contract import Encoded, mean_of_steps
from detectors.backbones.families.family import CLIP_FRAMES, Family, family_contract, names_or_kinetics
from detectors.backbones.families.image_network import image_network as make_images

WIDTH, DEPTH = 256, 2
HEAD_WIDTH, FEWEST_HEADS = 32, 4  # channels of a token that a head of attention looks at; narrow tokens have as many
AWAY = (-1, 1, -2, 2, -3, 3, -4, 4)  # frames from its own at which a head looks at first; others look at all alike


class TimeSformer(Family):
    """The mean of the tokens is a clip's feature, so there is a map to look at boxes in."""

    def __init__(
        self,
        *,
        class_names: tuple[str, ...] | None = None,
        image_network: str = "resnet18",
        image_state: Mapping[str, Tensor] | None = None,
        clip_frames: int = CLIP_FRAMES,
        width: int = WIDTH,
    ) -> None:
        """Raises ValueError for a width that heads and positions cannot share evenly."""
        super().__init__()
        if width % HEAD_WIDTH:
            raise ValueError(f"timesformer's width must be a multiple of {HEAD_WIDTH}, got {width}")
        names = names_or_kinetics(class_names)
        self.images = make_images(image_network, image_state)
        self.token = nn.Conv2d(self.images.channels, width, 1)
        self.when = nn.Embedding(clip_frames, width)
        nn.init.normal_(self.when.weight, std=0.5)
        self.layers = nn.ModuleList(DividedAttention(width, clip_frames) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, len(names))
        self.contract = family_contract(names, channels=width, map_stride=self.images.stride, clip_frames=clip_frames)

    def encode(self, clips_NCTHW: Tensor) -> Encoded:
        """Clips of the contract's length only, pictures of any size."""
        map_NCTHW = self.images.of_frames(clips_NCTHW)
        frames, (height, width) = map_NCTHW.shape[2], map_NCTHW.shape[3:]
        tokens_MCHW = self.token(map_NCTHW.transpose(1, 2).flatten(0, 1))
        tokens_NTPC = tokens_MCHW.flatten(2).transpose(1, 2).reshape(len(clips_NCTHW), frames, height * width, -1)
        tokens_NTPC = tokens_NTPC + self.when.weight[:, None] + where(height, width, tokens_NTPC)
        for layer in self.layers:
            tokens_NTPC = layer(tokens_NTPC)
        map_NCTHW = self.norm(tokens_NTPC).movedim(-1, 1).reshape(len(clips_NCTHW), -1, frames, height, width)
        return Encoded(mean_of_steps(map_NCTHW), map_NCTHW)


class DividedAttention(nn.Module):
    """A layer of the transformer: attention over time, attention over space, then each token by itself."""

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.time, self.space = TimeAttention(width, frames), Attention(width)
        self.alone = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, tokens_NTPC: Tensor) -> Tensor:
        over_time = self.time(tokens_NTPC.transpose(1, 2)).transpose(1, 2)
        tokens_NTPC = tokens_NTPC + over_time
        tokens_NTPC = tokens_NTPC + self.space(tokens_NTPC)
        alone_NTPC: Tensor = self.alone(tokens_NTPC)
        return tokens_NTPC + alone_NTPC


class Attention(nn.Module):
    """Among the tokens of the last dimension but one, after a layer norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.heads = max(FEWEST_HEADS, width // HEAD_WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        parts = self.query_key_value(self.norm(tokens))
        parts = (
            parts.reshape(*parts.shape[:-1], 3, self.heads, tokens.shape[-1] // self.heads)
            .movedim(-3, 0)
            .transpose(-3, -2)
        )
        query, key, value = parts.unbind(0)
        favour = self.favour()
        favour = favour if favour is None else favour.to(query.dtype)
        seen = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=favour)
        result: Tensor = self.out(seen.transpose(-3, -2).flatten(-2))
        return result

    def favour(self) -> Tensor | None:
        """What is added to how well tokens go together (heads, tokens, tokens), before what they hold is known."""
        return None


class TimeAttention(Attention):
    """Among the frames of a clip; every head learns how much it favours frames so far before or after."""

    away_TT: Tensor

    def __init__(self, width: int, frames: int) -> None:
        super().__init__(width)
        index_T = torch.arange(frames)
        self.register_buffer("away_TT", index_T - index_T[:, None] + frames - 1, persistent=False)
        away_D = torch.arange(1 - frames, frames)
        rows = [-(away_D - away).abs().float() for away in AWAY[: self.heads]]
        rows += [torch.zeros(len(away_D))] * (self.heads - len(rows))
        self.by_distance = nn.Parameter(torch.stack(rows))

    def favour(self) -> Tensor:
        return self.by_distance[:, self.away_TT]


def where(height: int, width: int, like_C: Tensor) -> Tensor:
    """Places (P, C) as waves along rows and columns, so that a picture may be of any size."""
    channels = like_C.shape[-1]
    rates = 10_000.0 ** -(torch.arange(channels // 4, device=like_C.device) / (channels // 4))
    rows, columns = (torch.arange(size, device=like_C.device)[:, None] * rates for size in (height, width))
    down = torch.cat([rows.sin(), rows.cos()], dim=1)[:, None].expand(-1, width, -1)
    across = torch.cat([columns.sin(), columns.cos()], dim=1)[None].expand(height, -1, -1)
    return torch.cat([down, across], dim=-1).flatten(0, 1).to(like_C.dtype)
