"""The settings of a run: strict, frozen models that refuse what cannot run, naming the field and what is allowed.

Knows no model: names of backbones, weights and localizers are checked by the stages that choose them.
"""

import hashlib
import json
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, field_validator

from pipeline.localizer_settings import LocalizerSettings
from pipeline.person_settings import PersonSettings
from pipeline.strict import Auto, Settings
from pipeline.training_settings import TrainingSettings


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


class DesignSettings(Settings):
    """How a backbone that leaves it open is built: those of the families; unset, it is as the network has it."""

    image_network: str | None = Field(None, description="what it is built over: torchvision's by name, small or toy")
    clip_frames: Annotated[int, Field(ge=2, le=1024)] | None = Field(None, description="frames of a clip")
    short_side: Annotated[int, Field(ge=16, le=1024)] | None = Field(None, description="pixels, where layers fix them")
    width: Annotated[int, Field(ge=1, le=4096)] | None = Field(None, description="channels of its own layers")
    flow: str | None = Field(None, description="optical flow of two-stream networks: dis, raft_small or raft_large")

    @property
    def given(self) -> dict[str, Any]:
        """What is set."""
        return self.model_dump(exclude_none=True)


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
    design: DesignSettings = DesignSettings()


class SegmentSettings(Settings):
    """How a video is cut for work; never changes the result."""

    length_s: float = Field(120.0, gt=0, description="seconds of video a worker handles in one go")
    chunk_frames: int = Field(64, ge=8, le=4096, description="frames that travel together")


class EngineSettings(Settings):
    """Where the work runs; never changes the result."""

    lanes: Auto | Annotated[int, Field(ge=1)] = Field(
        "auto", description="workers with the backbone; auto: one a GPU, or one for every 16 CPUs where there is no GPU"
    )
    decoders_per_lane: Auto | Annotated[int, Field(ge=1)] = Field(
        "auto", description="processes that decode for a lane; auto: 2, beside a GPU all of its CPUs but one (2 to 16)"
    )
    chunks_in_flight: int = Field(2, ge=1, description="chunks a decoder may be ahead")
    attempts: int = Field(3, ge=1, description="tries of a segment whose worker dies")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="of the networks; auto: a GPU if there is one")
    threads: Auto | Annotated[int, Field(ge=1)] = Field("auto", description="CPU threads of a backbone")
    compute_frames: Auto | Annotated[int, Field(ge=1, le=4096)] = Field(
        "auto", description="frames the backbone takes at once; auto: 32 on a CPU, 256 on a GPU"
    )
    compile: Literal["off", "default", "reduce-overhead"] = Field(
        "off", description="a mode of torch.compile, minutes at first; reduce-overhead: with CUDA graphs"
    )


class CacheSettings(Settings):
    """What is kept from one run to the next; never changes the result."""

    features: Literal["off", "read", "keep"] = Field(
        "read",
        description="of the backbone, in `features` beside the weights. read: use those of an earlier run; keep: these "
        "too, for later runs with another localizer (not by default: 40 MB an hour of video with I3D); off: neither",
    )


class OutputSettings(Settings):
    """What is written besides `videos` and `segments`."""

    features: bool = Field(False, description="write the table `features`")


class Config(Settings):
    """A whole run."""

    frames: FrameSettings = FrameSettings()
    backbone: BackboneSettings = BackboneSettings()
    localizer: LocalizerSettings = LocalizerSettings()
    persons: PersonSettings = PersonSettings()
    segments: SegmentSettings = SegmentSettings()
    engine: EngineSettings = EngineSettings()
    cache: CacheSettings = CacheSettings()
    output: OutputSettings = OutputSettings()
    training: TrainingSettings = TrainingSettings()

    @field_validator("persons", mode="before")
    @classmethod
    def _switched(cls, persons: Any) -> Any:
        """`persons: on` is short for all defaults, switched on."""
        return {"switch": persons} if isinstance(persons, str) else persons

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
        """Hash of all that determines the result: not how and where the work is done, not what weights are called."""
        result = self.model_dump(
            mode="json",
            exclude={
                "segments": True,
                "engine": True,
                "cache": True,
                "training": True,
                "backbone": {"weights"},
                "localizer": {"weights"},
                "persons": {"detector": {"weights", "boxes"}, "actions": {"weights"}} if self.persons.is_on else True,
            },
        )
        return _hash(result, weights_hash)

    def features_hash(self, weights_hash: str) -> str:
        """Hash of what determines the backbone's features, and people's boxes where they are looked for."""
        wanted = self.model_dump(mode="json", include={"frames", "backbone"}, exclude={"backbone": {"weights"}})
        return _hash(wanted | ({"persons": self.persons.seen()} if self.persons.is_on else {}), weights_hash)


def _hash(settings: dict[str, Any], weights_hash: str) -> str:
    """Of a backbone's design what is set counts, so that settings to come leave older results as they are."""
    backbone = dict(settings["backbone"])
    design = {name: one for name, one in backbone.pop("design").items() if one is not None}
    settings = settings | {"backbone": backbone | ({"design": design} if design else {})}
    text = json.dumps([settings, weights_hash], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
