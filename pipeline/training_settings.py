"""How a detector is trained on annotations."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.strict import Fraction01, Positive, Settings, Threshold


class FeatureFolderSettings(Settings):
    """Features made elsewhere, one .npy a video, instead of the backbone's; frames count those of the video."""

    folder: str = Field(description="of <video>.npy, (steps, channels) or (channels, steps)")
    fps: float = Field(gt=0, description="frames a second that they were computed at")
    stride: float = Field(gt=0, description="frames from one feature to the next")
    offset: float | None = Field(
        None,
        ge=0,
        description="frames from the start to the middle of the first feature's window; half a stride if unset",
    )
    channels_first: bool = Field(False, description="arrays are (channels, steps)")


class SplitSettings(Settings):
    """Which annotated videos are learned from, and which only tell how well that went."""

    training: tuple[str, ...] = Field(("training", "train"), description="subsets of the annotation file")
    validation: tuple[str, ...] = Field(("validation", "val", "test"), description="subsets held out")
    fraction: Threshold | None = Field(None, description="of the videos, drawn for validation; subsets are ignored")


class AugmentationSettings(Settings):
    """What is done to features so that no two epochs see the same."""

    crop_steps: int = Field(
        768, ge=16, description="longest stretch learned from at once; at least twice as long as the longest action"
    )
    crop_share: Fraction01 = Field(0.5, gt=0, description="shortest stretch, as a share of the longest possible")
    stretch: float = Field(1.0, ge=1, description="time is stretched or squeezed by up to this factor")
    jitter: float = Field(0.2, ge=0, description="each channel is stronger or weaker by about that share all along")


class FinetuneSettings(Settings):
    """The backbone's last blocks learn too, end to end with the detector that was trained on its features."""

    epochs: int = Field(0, ge=0, description="0: the backbone stays as it is; not with training.features")
    blocks: Positive = Field(2, description="of the backbone, from its end, that learn; its batch statistics stay")
    learning_rate: float = Field(1e-5, gt=0, description="of the backbone; falls along half a cosine")
    detector_learning_rate: float = Field(1e-4, gt=0, description="of the detector meanwhile")
    stretch_s: float = Field(
        20.0, gt=0, description="seconds of video seen at once, more than actions last; takes memory"
    )
    batch: Positive = Field(1, description="stretches in a step")


class HeadTrainingSettings(Settings):
    """A head that tells what people do (detectors.persons.trained_head); epochs and rates are those of `training`."""

    hidden: int = Field(256, ge=0, description="units of a layer between features and classes; 0: none, a linear head")
    dropout: Fraction01 = Field(0.5, lt=1, description="share of the features that a step does without")
    batch: Positive = Field(256, description="people in a step")


class ClipTrainingSettings(Settings):
    """A backbone that learns to tell clips apart (`train backbone`); epochs and rates are those of `training`."""

    batch: Positive = Field(8, description="clips in a step")
    test_clips: Positive = Field(4, description="of an action, evenly spaced, whose probabilities are averaged")
    blocks: Positive | None = Field(
        None, description="of the backbone, from its end, that learn beside the head; all of them if unset"
    )
    given_rate: Fraction01 = Field(
        0.1, gt=0, description="share of training.learning_rate of parts that begin with backbone.weights"
    )
    image_weights: str | None = Field(
        None, description="a file: torchvision's state dict of backbone.design.image_network, to begin with"
    )
    label_smoothing: Fraction01 = Field(0.0, lt=1, description="share of the truth that is given to all classes alike")
    flip: bool = Field(False, description="mirror half of the clips; not where left and right are classes")
    crop: Fraction01 = Field(1.0, gt=0, description="smallest share of the sides that a clip shows, enlarged; 1: all")
    memory_gb: float = Field(2.0, ge=0, description="for decoded actions, so that each is decoded once")


class TrainingSettings(Settings):
    """AdamW with warm-up and cosine, averaged weights, early stopping."""

    seed: int = Field(0, ge=0, description="on a CPU the same seed gives the same weights")
    epochs: Positive = Field(40, description="at most; see patience")
    warmup_epochs: int = Field(4, ge=0, description="in which the learning rate rises; fewer than epochs")
    batch: Positive = Field(2, description="stretches of video in a step; of people and clips: their own batch")
    learning_rate: float = Field(1e-3, gt=0, description="after the warm-up; from there it falls along half a cosine")
    weight_decay: float = Field(0.05, ge=0, description="of AdamW; biases and scales do not decay")
    clip_norm: float = Field(1.0, gt=0, description="gradients are scaled down to this norm")
    ema: Fraction01 = Field(0.99, description="how much of the averaged weights a step keeps")
    class_balance: bool = Field(True, description="rare classes weigh more: by the root of how rare they are")
    validate_every: Positive = Field(1, description="epochs")
    patience: Positive = Field(20, description="epochs without a better validation mAP after which training ends")
    tious: Annotated[tuple[Threshold, ...], Field(min_length=1)] = Field(
        (0.3, 0.4, 0.5, 0.6, 0.7), description="of the validation mAP"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: bfloat16 on a GPU")
    split: SplitSettings = SplitSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    features: FeatureFolderSettings | None = Field(None, description="made elsewhere; else the backbone's")
    finetune: FinetuneSettings = FinetuneSettings()
    head: HeadTrainingSettings = HeadTrainingSettings()
    clips: ClipTrainingSettings = ClipTrainingSettings()
    shuffle_labels: bool = Field(False, description="train on labels in random order: what is then found was no lesson")

    @model_validator(mode="after")
    def _possible(self) -> "TrainingSettings":
        if self.warmup_epochs >= self.epochs:
            raise ValueError("training.warmup_epochs: must be fewer than training.epochs")
        if self.finetune.epochs and self.features is not None:
            raise ValueError("training.finetune.epochs: features made elsewhere have no backbone here that could learn")
        return self
