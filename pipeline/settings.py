"""The settings of a run: strict, frozen models that refuse what cannot run, naming the field and what is allowed.

Knows no model: names of backbones, weights and localizers are checked by the stages that choose them.
"""

import hashlib
import json
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Settings(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


Auto = Literal["auto"]
Fraction01 = Annotated[float, Field(ge=0, le=1)]
Threshold = Annotated[float, Field(gt=0, lt=1)]


class Sampled(NamedTuple):
    """How frames are sampled, nothing left open."""

    rate: float  # a second
    short_side: int  # pixels
    fit: Literal["keep", "crop", "squash"]


class FrameSettings(Settings):
    """How the picture is sampled in time and space; auto: as the backbone was trained."""

    rate: Auto | Annotated[float, Field(gt=0, le=240)] = Field("auto", description="samples a second of video")
    short_side: Auto | Annotated[int, Field(ge=32, le=1024)] = Field("auto", description="pixels of the shorter side")
    fit: Literal["auto", "keep", "crop", "squash"] = Field(
        "auto",
        description="keep: whole picture, aspect kept; crop: centre square; squash: whole picture into a square; "
        "auto: squash for a backbone that takes only squares, else keep",
    )

    @property
    def sampled(self) -> Sampled:
        """Of a config that is resolved."""
        assert self.rate != "auto" and self.short_side != "auto" and self.fit != "auto"
        return Sampled(self.rate, self.short_side, self.fit)


class BackboneSettings(Settings):
    """The network that turns frames into features and class scores."""

    name: str = Field("i3d", description="an entry of detectors.backbones.BACKBONES")
    weights: str = Field(
        "auto",
        description="a name from `run.py weights list`, a file, auto: those published for the backbone, or random: "
        "to try out a run, its labels mean nothing",
    )
    precision: Literal["auto", "fast", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 on a GPU, float32 on a CPU; fast: bfloat16 on a CPU with AMX too"
    )


class NmsSettings(Settings):
    """Temporal non-maximum suppression (detectors.nms)."""

    method: Literal["hard", "linear", "gaussian"] = "hard"
    class_wise: bool = Field(True, description="suppress only within a class")
    iou_threshold: Fraction01 = 0.5
    sigma: float = Field(0.5, gt=0, description="width of the Gaussian decay")
    min_score: Fraction01 = 0.001
    max_detections: int = Field(200, ge=1, description="kept a video, or an hour of it if it is longer")
    vote_iou: Fraction01 | None = Field(None, description="spans become the mean of inputs that overlap as much")

    @model_validator(mode="after")
    def _possible(self) -> "NmsSettings":
        if self.vote_iou is not None and self.class_wise:
            raise ValueError("localizer.nms.vote_iou: classes vote only when merged; set class_wise to false as well")
        return self


class TrainingFreeSettings(Settings):
    """Grouping of the backbone's own class scores (detectors.temporal.training_free). All scales are absolute."""

    midpoint: float = Field(7.0, description="logit at which a step's evidence is 0.5")
    scale: float = Field(3.0, gt=0, description="logits from there to where it is 0.73")
    rival_margin: float = Field(2.0, ge=0, description="a class farther behind the best logit is set back")
    smoothing_steps: int = Field(3, ge=0, le=20, description="radius of the triangular window over time")
    thresholds: Annotated[tuple[Threshold, ...], Field(min_length=1)] = (0.1, 0.25, 0.5, 0.75, 0.9)
    min_duration_s: float = Field(0.8, gt=0, description="shorter spans are dropped")
    duration_scale_s: float = Field(2.0, ge=0, description="a span of this length keeps half its score")
    context: float = Field(1.0, gt=0, description="looked at on each side, in lengths of the span")
    min_context_s: float = Field(1.0, gt=0)
    max_context_s: float = Field(10.0, gt=0)
    labels_per_span: int = Field(2, ge=1)
    min_score: Fraction01 = 0.02
    max_overlap: Fraction01 = Field(0.4, description="of two spans of a class, as a share of the shorter one")
    vote_iou: Fraction01 = Field(0.3, description="spans that overlap as much, with a like score, average their ends")

    @model_validator(mode="after")
    def _possible(self) -> "TrainingFreeSettings":
        if self.min_context_s > self.max_context_s:
            raise ValueError("localizer.training_free.min_context_s: must not exceed max_context_s")
        return self


class LocalizerSettings(Settings):
    """How actions are found in time, given the backbone's output."""

    name: str = Field("training_free", description="an entry of detectors.temporal.LOCALIZERS")
    training_free: TrainingFreeSettings = TrainingFreeSettings()
    nms: NmsSettings = NmsSettings()


class SegmentSettings(Settings):
    """How a video is cut for work; never changes the result."""

    length_s: float = Field(120.0, gt=0, description="seconds of video a worker handles in one go")
    chunk_frames: int = Field(64, ge=8, le=4096, description="frames that travel together")


class EngineSettings(Settings):
    """Where the work runs; never changes the result."""

    lanes: Auto | Annotated[int, Field(ge=1)] = "auto"
    decoders_per_lane: Auto | Annotated[int, Field(ge=1)] = "auto"
    chunks_in_flight: int = Field(2, ge=1, description="chunks a decoder may be ahead")
    attempts: int = Field(3, ge=1, description="tries of a segment whose worker dies")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Auto | Annotated[int, Field(ge=1)] = Field("auto", description="CPU threads of a backbone")
    compute_frames: Auto | Annotated[int, Field(ge=1, le=4096)] = Field(
        "auto", description="frames the backbone takes at once; auto: 32 on a CPU, 256 on a GPU"
    )
    compile: Literal["off", "default", "reduce-overhead"] = Field(
        "off", description="a mode of torch.compile, minutes at first; reduce-overhead: with CUDA graphs"
    )


class OutputSettings(Settings):
    """What is written besides `videos` and `segments`."""

    features: bool = Field(False, description="write the table `features`")


class Config(Settings):
    """A whole run."""

    frames: FrameSettings = FrameSettings()
    backbone: BackboneSettings = BackboneSettings()
    localizer: LocalizerSettings = LocalizerSettings()
    segments: SegmentSettings = SegmentSettings()
    engine: EngineSettings = EngineSettings()
    output: OutputSettings = OutputSettings()

    def resolved(self, frames_asked_for: Sampled, weights: str) -> "Config":
        """What is left to the backbone, filled in with what it asks for; the weights named for good."""
        frames = {name: one for name, one in frames_asked_for._asdict().items() if getattr(self.frames, name) == "auto"}
        return self.model_copy(
            update={
                "frames": self.frames.model_copy(update=frames),
                "backbone": self.backbone.model_copy(update={"weights": weights}),
            }
        )

    def result_hash(self, weights_hash: str) -> str:
        """Hash of all that determines the result: not settings of segments and engine, not what weights are called."""
        result = self.model_dump(mode="json", exclude={"segments": True, "engine": True, "backbone": {"weights"}})
        text = json.dumps([result, weights_hash], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
