"""Where a training keeps what it makes: the model, and a folder of all else beside it."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.tables import storing


@dataclass(frozen=True, slots=True)
class Place:
    """Where a training keeps what it makes."""

    model: Path

    @property
    def folder(self) -> Path:
        """Of what is beside the model: checkpoint, metrics, curve, what was found in the validation videos."""
        return self.model.with_name(f"{self.model.stem}.training")

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    @property
    def finetuning(self) -> Path:
        """Checkpoint of the fine-tuning."""
        return self.folder / "finetuning.pt"

    @property
    def backbone(self) -> Path:
        """Of the detector, if it was fine-tuned."""
        return self.model.with_name(f"{self.model.stem}.backbone.pt")

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.parquet"

    @property
    def curve(self) -> Path:
        return self.folder / "curve.png"

    @property
    def validation(self) -> Path:
        return self.folder / "validation.json"

    def make_folder(self) -> None:
        """Raises StopRun when the disk refuses."""
        with storing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
