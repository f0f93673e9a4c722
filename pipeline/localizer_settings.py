"""How actions are found in time, given the backbone's output."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.strict import Auto, Fraction01, Positive, Settings, Threshold


class NmsSettings(Settings):
    """Temporal non-maximum suppression (detectors.nms)."""

    method: Literal["hard", "linear", "gaussian"] = Field(
        "hard", description="hard drops what overlaps a better one; the others (Soft-NMS) lower its score"
    )
    class_wise: bool = Field(True, description="suppress only within a class")
    iou_threshold: Fraction01 = Field(0.5, description="tIoU with a better one from which hard and linear act")
    sigma: float = Field(0.5, gt=0, description="width of the Gaussian decay")
    min_score: Fraction01 = Field(0.001, description="less sure detections are dropped")
    max_detections: int = Field(200, ge=1, description="kept a video, or an hour of it if it is longer")
    vote_iou: Fraction01 | None = Field(
        None, description="spans become the mean of inputs that overlap as much; only with class_wise: false"
    )

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
    thresholds: Annotated[tuple[Threshold, ...], Field(min_length=1)] = Field(
        (0.1, 0.25, 0.5, 0.75, 0.9), description="of evidence, each of which gives spans of its own"
    )
    min_duration_s: float = Field(0.8, gt=0, description="shorter spans are dropped")
    duration_scale_s: float = Field(2.0, ge=0, description="a span of this length keeps half its score")
    context: float = Field(1.0, gt=0, description="looked at on each side, in lengths of the span")
    min_context_s: float = Field(1.0, gt=0, description="but no less than that; up to max_context_s")
    max_context_s: float = Field(10.0, gt=0, description="and no more than that")
    labels_per_span: int = Field(2, ge=1, description="classes that a span may be named, the best so many")
    min_score: Fraction01 = Field(0.02, description="spans that are less sure are dropped")
    max_overlap: Fraction01 = Field(0.4, description="of two spans of a class, as a share of the shorter one")
    vote_iou: Fraction01 = Field(0.3, description="spans that overlap as much, with a like score, average their ends")

    @model_validator(mode="after")
    def _possible(self) -> "TrainingFreeSettings":
        if self.min_context_s > self.max_context_s:
            raise ValueError("localizer.training_free.min_context_s: must not exceed max_context_s")
        return self


def _odd(number: int) -> int:
    if number % 2 == 0:
        raise PydanticCustomError("odd", "input should be odd, so that it has a middle")
    return number


Even = Annotated[int, Field(ge=2, multiple_of=2)]
Odd = Annotated[int, Field(ge=1, le=63), AfterValidator(_odd)]
MAX_LEVELS = 12


class LearnedSettings(Settings):
    """What is common to trained detectors at work."""

    min_score: Fraction01 = Field(0.001, description="candidates below it are dropped before suppression")
    max_candidates: int = Field(2000, ge=1, description="kept for suppression, an hour of video")
    core_steps: int = Field(2048, ge=16, description="backbone steps taken at once; never changes the result")


class AnchorFreeNetwork(Settings):
    """Fixed when it is trained (detectors.temporal.anchor_free)."""

    channels: Positive = Field(256, description="of every layer")
    levels: Auto | Annotated[int, Field(ge=1, le=MAX_LEVELS)] = Field(
        "auto", description="of the pyramid; auto: so many that the longest training action fits"
    )
    stem_blocks: int = Field(2, ge=0, description="convolution blocks before the pyramid")
    head_layers: int = Field(3, ge=0, description="convolutions of the class head and of the span head")
    kernel: Odd = Field(9, description="steps that a block's convolution sees; odd")
    drop_path: Fraction01 = Field(0.1, description="share of the sequences for which a block is left out in training")


class AnchorFreeSettings(LearnedSettings):
    """One stage: every point of a pyramid over time says what it is in the middle of (after ActionFormer)."""

    network: AnchorFreeNetwork = AnchorFreeNetwork()


class TemporalRcnnNetwork(Settings):
    """Fixed when it is trained (detectors.temporal.temporal_rcnn)."""

    stream_channels: Auto | Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        "auto", description="of the kinds of features that lie side by side, as [1024, 1024] for RGB and flow"
    )
    scales: Auto | Annotated[tuple[Even, ...], Field(min_length=1)] = Field(
        "auto", description="anchor lengths in backbone steps; auto: quantiles of the training actions' lengths"
    )
    num_scales: Positive = Field(5, description="where scales is auto, at most so many")
    channels: Positive = Field(256, description="of every layer")
    context: bool = Field(False, description="a second tower of twice the field for each anchor scale")
    neck_blocks: int = Field(3, ge=0, description="convolution blocks before spans are pooled")
    neck_kernel: Odd = Field(9, description="steps that such a block's convolution sees; odd")
    bins: Positive = Field(7, description="to which a span of any length is pooled")
    hidden: Positive = Field(512, description="units of the two layers that classify a span")
    dropout: Fraction01 = Field(0.3, description="share of these units that a training step does without")


class TemporalRcnnSettings(LearnedSettings):
    """Two stages: anchors to proposals, proposals to classes with boundaries of their own (after TAL-Net)."""

    network: TemporalRcnnNetwork = TemporalRcnnNetwork()
    proposals: int = Field(300, ge=1, description="kept a video, or five minutes of it if it is longer")


class StepProbeNetwork(Settings):
    """A linear classifier has nothing to choose."""


class StepProbeSettings(LearnedSettings):
    """Single steps classified and grouped: what the other two are to be compared with."""

    network: StepProbeNetwork = StepProbeNetwork()


OFF = "off"  # as the name of a localizer: none, people alone


class LocalizerSettings(Settings):
    """How actions are found in time, given the backbone's output."""

    name: str = Field(
        "auto",
        description="an entry of detectors.temporal.LOCALIZERS; auto: that of the weights, else training_free; "
        "off: actions of the whole picture are not looked for, only those of people",
    )
    weights: str | None = Field(None, description="a detector that `run.py train` made; all it fixes is taken from it")
    training_free: TrainingFreeSettings = TrainingFreeSettings()
    anchor_free: AnchorFreeSettings = AnchorFreeSettings()
    temporal_rcnn: TemporalRcnnSettings = TemporalRcnnSettings()
    step_probe: StepProbeSettings = StepProbeSettings()
    nms: NmsSettings = NmsSettings()
