"""Cut a video into segments, on the step grid of the backbone."""

from math import ceil

from pipeline.records import Segment, Video


def segments_of(video: Video, length_s: float, step_s: float) -> list[Segment]:
    """Consecutive segments of about `length_s`, whole steps each; the last takes the rest, however long that proves.

    A rest shorter than half a segment joins the one before it.
    """
    steps_each = max(1, round(length_s / step_s))
    steps = max(1, ceil(video.duration_s / step_s - 1e-9))
    count = max(1, round(steps / steps_each))
    return [
        Segment(
            video=video,
            index=index,
            start_s=index * steps_each * step_s,
            stop_s=max(video.duration_s, index * steps_each * step_s + step_s)
            if index == count - 1
            else (index + 1) * steps_each * step_s,
            is_last=index == count - 1,
        )
        for index in range(count)
    ]
