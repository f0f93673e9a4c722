"""How people are found, followed, and what they do."""

from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline.strict import Fraction01, Positive, Settings

SEEN = {"rate", "window_s", "detector"}  # settings of persons that determine boxes and what is seen in them


class PersonDetectorSettings(Settings):
    """Who is in the picture."""

    name: str = Field("ssdlite_person", description="an entry of detectors.persons.DETECTORS")
    weights: str = Field("auto", description="a name from `run.py weights list`, a file, auto, or random: to try out")
    boxes: str | None = Field(
        None,
        description="a file of people found elsewhere instead (AVA's CSV, or Parquet): no detector runs then, and its "
        "scores decide as a detector's would who begins a track (tracking.high_score)",
    )
    min_score: Fraction01 = Field(0.1, description="boxes below it are not even kept; up to tracking.low_score")


class TrackingSettings(Settings):
    """Who is who on the next key frame (detectors.persons.tracking)."""

    high_score: Fraction01 = Field(0.3, description="boxes of at least this score may begin a track")
    low_score: Fraction01 = Field(0.1, description="those of at least this score may go on with one; up to high_score")
    max_gap_s: float = Field(5.0, gt=0, le=60, description="for so long somebody may go unseen; at least one key frame")
    max_cost: float = Field(5.0, gt=0, le=20, description="how improbable a link may be, in nats; higher joins more")
    speed: float = Field(0.6, gt=0, le=10, description="spread of people's speed, heights of their box a second")
    looks_weight: float = Field(30.0, ge=0, le=200, description="how much looks count beside place and size; 0: not")

    @model_validator(mode="after")
    def _possible(self) -> "TrackingSettings":
        if self.low_score > self.high_score:
            raise ValueError("persons.tracking.low_score: must not exceed high_score")
        return self


class OwnClassesSettings(Settings):
    """Evidence of classes of which a backbone knows one at a time (detectors.persons.actions.own_classes)."""

    midpoint: float = Field(5.0, description="standard deviations over all classes' logits at which evidence is 0.5")
    scale: float = Field(0.35, gt=0, description="of these from there to where it is 0.73")
    temperature: float = Field(0.5, gt=0, description="of these behind the best class that leave 0.37 of the evidence")


class PersonActionSettings(Settings):
    """What people do on key frames (detectors.persons.actions)."""

    weights: str | None = Field(None, description="a head that `run.py train` made; else the backbone's own classes")
    min_score: Fraction01 = Field(0.3, description="of a row in `persons`")
    labels_per_person: Positive | None = Field(3, description="on a key frame, at most; null: all")
    smooth_s: float = Field(
        2.0, ge=0, le=60, description="neighbours on the track nearer than this have a say in a score, less the farther"
    )
    own_classes: OwnClassesSettings = OwnClassesSettings()


class TubeSettings(Settings):
    """Actions of a person over time (detectors.persons.tubes)."""

    start_score: Fraction01 = Field(0.5, description="that a tube must reach")
    keep_score: Fraction01 = Field(0.3, description="that it must keep; up to start_score")
    max_gap_s: float = Field(2.0, ge=0, description="without that score, or without the person, that it bridges")
    min_duration_s: float = Field(0.0, ge=0, description="shorter ones are dropped")

    @model_validator(mode="after")
    def _possible(self) -> "TubeSettings":
        if self.keep_score > self.start_score:
            raise ValueError("persons.tubes.keep_score: must not exceed start_score")
        return self


class PersonSettings(Settings):
    """The person branch: people on key frames, followed, each with what it does. `persons: on` switches it on."""

    switch: Literal["on", "off"] = Field("off", description="whether people are looked for")
    rate: float = Field(1.0, gt=0, le=30, description="key frames a second of video")
    window_s: float = Field(1.0, ge=0, le=10, description="of the backbone's map, averaged around a key frame")
    detector: PersonDetectorSettings = PersonDetectorSettings()
    tracking: TrackingSettings = TrackingSettings()
    actions: PersonActionSettings = PersonActionSettings()
    tubes: TubeSettings = TubeSettings()

    @model_validator(mode="after")
    def _possible(self) -> "PersonSettings":
        if self.tracking.max_gap_s < 1 / self.rate:
            period = f"{1 / self.rate:g} s at this persons.rate"
            raise ValueError(f"persons.tracking.max_gap_s: must reach to the next key frame, {period}")
        if self.detector.min_score > self.tracking.low_score:
            raise ValueError("persons.detector.min_score: must not exceed tracking.low_score, or low boxes are missed")
        return self

    @property
    def is_on(self) -> bool:
        return self.switch == "on"

    def seen(self) -> dict[str, Any]:
        """What determines boxes and what the backbone sees in them, but for what weights and files are called."""
        return self.model_dump(mode="json", include=SEEN, exclude={"detector": {"weights", "boxes"}})
