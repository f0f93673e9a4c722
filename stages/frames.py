"""A video's frames in the order they are shown, and an account of the spans that could not be read.

Times are whole ticks of the stream's clock; zero is the first shown frame. What counts as lost:
- a frame that the decoder refuses, or gives back flagged as patched up where data was missing;
- a hole in time beside which the container or its packets were damaged. A hole without damage is a pause and is held.
Frames that refer to a lost one are used, smeared as players show them: up to the next key frame may be minutes.
FFmpeg's err_detect stays at its default: stricter settings refuse slices that it can patch, and smear what follows more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf
from typing import Any

from pipeline.errors import VideoError
from pipeline.records import Failure, Segment, Video
from stages.packets import Packets
from stages.probe import UNREADABLE, opened

_FIRST_BACK_OFF_S = 2
_REORDERED_FRAMES = 16  # the most that H.264 and HEVC hold back
_SLACK_S = 0.5  # by which a header may promise more than there is
