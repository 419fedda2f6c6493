"""What is compared, and where its files lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.comparing.competitors import Competitor

FINAL = "checkpoint_final.pth"


@dataclass(frozen=True)
class Comparison:
    """Trainers under the same conditions.

    Attributes:
        raw: Folder of the raw dataset, named like the dataset.
        dataset_json: Content of its dataset.json.
        plans_name: Of the plans.
        parent: Configuration that is compared in.
        name: What the names of its own configurations begin with.
        folds: ``all``, or numbers.
        competitors: The first one is what the others are compared with.
        settings: Hyper-parameters of all trainings, without the seed.
        seeds: Of the repeated trainings.
        results: nnU-Net's folder of the dataset's results.
        ensemble: Whether the networks of a training are ensembled too.
    """

    raw: Path
    dataset_json: Mapping[str, Any]
    plans_name: str
    parent: str
    name: str
    folds: tuple[str, ...]
    competitors: tuple[Competitor, ...]
    settings: Mapping[str, Any]
    seeds: tuple[int, ...]
    results: Path
    ensemble: bool = False

    @property
    def dataset(self) -> str:
        """``DatasetNNN_Name``."""
        return self.raw.name

    @property
    def folder(self) -> Path:
        """For logs and predictions."""
        return self.results / "comparisons" / self.name

    @property
    def configurations(self) -> dict[int, str]:
        """A configuration of its own for each seed."""
        return {seed: f"{self.name}_seed{seed}" for seed in self.seeds}

    @property
    def trainings(self) -> Iterator[tuple[Competitor, int]]:
        """Each trainer with each seed; all trainers of a seed before the next seed."""
        return ((competitor, seed) for seed in self.seeds for competitor in self.competitors)

    def model_folder(self, trainer: str, seed: int) -> Path:
        """nnU-Net's model folder of a trainer class."""
        return self.results / f"{trainer}__{self.plans_name}__{self.configurations[seed]}"

    def checkpoints(self, trainer: str, seed: int) -> list[Path]:
        """The final checkpoint of each fold."""
        return [self.model_folder(trainer, seed) / f"fold_{fold}" / FINAL for fold in self.folds]

    def predictions(self, model: str, seed: int) -> Path:
        """Folder of the predictions of a model by its name in reports."""
        return self.folder / "predictions" / f"{model.replace(' ', '_')}_seed{seed}"

    def models(self) -> list[str]:
        """Names in reports, each trainer's ensemble after its networks."""
        return [model for one in self.competitors for model in (*one.models, *self.ensembles(one))]

    def ensembles(self, competitor: Competitor) -> list[str]:
        """The name of the ensemble of a trainer's networks, if there is one."""
        return [f"{competitor.name} ensemble"] if self.ensemble and competitor.further else []
