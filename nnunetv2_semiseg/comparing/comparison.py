"""A comparison: the trainers, their conditions, and where files of them lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.comparing.competitors import Competitor

FINAL = "checkpoint_final.pth"


@dataclass(frozen=True)
class Comparison:
    """Trainers that are compared under the same conditions.

    Attributes:
        raw: Folder of the raw dataset, named like the dataset.
        dataset_json: Content of the raw dataset's dataset.json.
        plans_name: Name of the plans.
        parent: Configuration that the trainers are compared in.
        name: Beginning of the names of the comparison's own configurations.
        folds: Folds to train, ``all`` or numbers.
        competitors: The trainers; the others are compared with the first.
        settings: Hyper-parameters of all trainings, without the seed.
        seeds: Seeds of the repeated trainings.
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
        """Folder for logs and predictions."""
        return self.results / "comparisons" / self.name

    @property
    def configurations(self) -> dict[int, str]:
        """Names of the comparison's own configurations by seed."""
        return {seed: f"{self.name}_seed{seed}" for seed in self.seeds}

    @property
    def trainings(self) -> Iterator[tuple[Competitor, int]]:
        """Trainer and seed of each training; all trainers of a seed come before the next seed."""
        return ((competitor, seed) for seed in self.seeds for competitor in self.competitors)

    def model_folder(self, trainer: str, seed: int) -> Path:
        """nnU-Net's model folder of a trainer class."""
        return self.results / f"{trainer}__{self.plans_name}__{self.configurations[seed]}"

    def checkpoints(self, trainer: str, seed: int) -> list[Path]:
        """The final checkpoint of each fold."""
        return [self.model_folder(trainer, seed) / f"fold_{fold}" / FINAL for fold in self.folds]

    def predictions(self, model: str, seed: int) -> Path:
        """Folder of a model's predictions; ``model`` is its name in reports."""
        return self.folder / "predictions" / f"{model.replace(' ', '_')}_seed{seed}"

    def models(self) -> list[str]:
        """Names of all models in reports, each trainer's ensemble after its networks."""
        return [model for one in self.competitors for model in (*one.models, *self.ensembles(one))]

    def ensembles(self, competitor: Competitor) -> list[str]:
        """Name of the ensemble of a trainer's networks in reports; none if there is no ensemble."""
        return [f"{competitor.name} ensemble"] if self.ensemble and competitor.further else []
