"""nnU-Net's folders with a phantom dataset in them: where tests of whole trainings work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

DATASET_ID = 500
LABELED, TESTED = 6, 4
"""Cases of the phantom: few, but enough for nnU-Net's five folds. As many are unlabeled as are labeled."""

IMAGE_SIZE = 64
"""Of the phantom, and of what foundation models see."""
SETTINGS: dict[str, Any] = {
    "epochs": 2,
    "iterations_per_epoch": 2,
    "validation_iterations_per_epoch": 1,
    "save_every": 1,
    "seed": 1,
}
"""Of every tiny configuration, beside what each method needs to be small."""

TRAINER, FOUNDATION_TRAINER = "nnUNetTrainerSynFoC", "nnUNetTrainerSynFoCFoundation"


@dataclass(frozen=True)
class Workspace:
    """nnU-Net's three folders below ``root``, with a phantom dataset in them."""

    root: Path

    dataset = f"Dataset{DATASET_ID}_Phantom"
    trainer_name, foundation_name = TRAINER, FOUNDATION_TRAINER

    @property
    def raw(self) -> Path:
        return self.root / "raw" / self.dataset

    @property
    def preprocessed(self) -> Path:
        return self.root / "preprocessed" / self.dataset

    @property
    def results(self) -> Path:
        return self.root / "results" / self.dataset

    @property
    def dataset_json(self) -> dict[str, Any]:
        return dict(json.loads((self.preprocessed / "dataset.json").read_text()))

    def write_dataset_json(self, content: dict[str, Any]) -> None:
        for folder in (self.raw, self.preprocessed):
            (folder / "dataset.json").write_text(json.dumps(content))

    def make_folders(self) -> None:
        for name in ("raw", "preprocessed", "results"):
            (self.root / name).mkdir()

    def environment(self, **changes: str) -> dict[str, str]:
        """The variables of a training; ``changes`` with an empty value are left out."""
        from nnunetv2_semiseg.commands.plugin import plugin_path

        variables = {f"nnUNet_{name}": str(self.root / name) for name in ("raw", "preprocessed", "results")}
        variables |= {
            "nnUNet_extTrainer": plugin_path(""),
            "nnUNet_compile": "f",
            "nnUNet_n_proc_DA": "0",
            "nnUNet_def_n_proc": "1",
            "nnUNet_semiseg_weights": str(self.root / "weights"),
        }
        variables |= changes
        return {name: value for name, value in variables.items() if value}

    def start(self, *command: object, **changes: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own; its output goes to ``stdout``."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("nnUNet_")}
        folder = os.path.dirname(sys.executable)
        inherited["PATH"] = os.pathsep.join([folder, inherited.get("PATH", "")])
        # nnU-Net takes all cores; threads that wait for each other crawl where tests run side by side
        startup = self.root / "startup"
        startup.mkdir(exist_ok=True)
        (startup / "sitecustomize.py").write_text("import os\nos.cpu_count = lambda: 1\n")
        inherited["PYTHONPATH"] = str(startup)
        return subprocess.Popen(
            [str(part) for part in command],
            env={**inherited, **self.environment(**changes)},
            cwd=self.root,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, *command: object, code: int = 0, timeout: float = 600, **changes: str) -> str:
        """Run a command to its end; its output, standard error included."""
        process = self.start(*command, **changes)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill(process)
            pytest.fail(f"{command} ran longer than {timeout} s:\n{process.communicate()[0][-5000:]}")
        assert process.returncode == code, f"{command} ended with {process.returncode}:\n{output[-5000:]}"
        return output

    @staticmethod
    def kill(process: subprocess.Popen[str]) -> None:
        """End a command of `start` and whatever it started, at once and without a chance to tidy up."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def read_plans(self, name: str = "nnUNetPlans") -> dict[str, Any]:
        return dict(json.loads((self.preprocessed / f"{name}.json").read_text()))

    def write_plans(self, plans: dict[str, Any], name: str = "nnUNetPlans") -> None:
        (self.preprocessed / f"{name}.json").write_text(json.dumps(plans))

    def write_tiny_configurations(self) -> None:
        """``2d_small``, a network of three stages and 8 features, and ``2d_tiny``, a short training of it."""
        from tiny_settings import tiny_methods

        plans = self.read_plans()
        architecture = json.loads(json.dumps(plans["configurations"]["2d"]["architecture"]))
        architecture["arch_kwargs"] |= {
            "n_stages": 3,
            "features_per_stage": [8, 8, 8],
            "kernel_sizes": [[3, 3]] * 3,
            "strides": [[1, 1], [2, 2], [2, 2]],
            "n_conv_per_stage": [1] * 3,
            "n_conv_per_stage_decoder": [1] * 2,
        }
        small = {"inherits_from": "2d", "patch_size": [32, 32], "batch_size": 2, "architecture": architecture}
        plans["configurations"]["2d_small"] = small
        plans["configurations"]["2d_tiny"] = {
            "inherits_from": "2d_small",
            "semiseg": {**SETTINGS, **tiny_methods(IMAGE_SIZE)},
        }
        self.write_plans(plans)

    def configure(
        self, name: str, parent: str = "2d_tiny", plans: str = "nnUNetPlans", **settings: Any
    ) -> str:
        """Write a configuration that inherits from another; gives its name."""
        content = self.read_plans(plans)
        content["configurations"][name] = {"inherits_from": parent, "semiseg": settings}
        self.write_plans(content, plans)
        return name

    def model(
        self, trainer: str = TRAINER, configuration: str = "2d_tiny", plans: str = "nnUNetPlans"
    ) -> Path:
        return self.results / f"{trainer}__{plans}__{configuration}"

    def checkpoint(
        self, model: Path, name: str = "checkpoint_final.pth", fold: int | str = 0
    ) -> dict[str, Any]:
        content = torch.load(model / f"fold_{fold}" / name, map_location="cpu", weights_only=False)
        return dict(content)

    @staticmethod
    def write_sam_file(file: Path, architecture: str = "vit_tiny", seed: int = 0, **more: Any) -> Path:
        """A file of random weights under the names that segment-anything publishes them by."""
        from nnunetv2_semiseg.networks.sam.checkpoint import PART_NAMES
        from nnunetv2_semiseg.networks.sam.model.architecture import SAM_ARCHITECTURES, build_sam_parts

        torch.manual_seed(seed)
        parts = build_sam_parts(SAM_ARCHITECTURES[architecture], 64, num_classes=4)
        pairs = zip(PART_NAMES, parts, strict=True)
        state = {f"{name}.{key}": t for name, part in pairs for key, t in part.state_dict().items()}
        torch.save({**state, **more}, file)
        return file

    def make_trainer(self, configuration: str = "2d_tiny", fold: int | str = 0) -> Any:
        """A SynFoC trainer in this process, as nnU-Net's command makes it."""
        from nnunetv2_semiseg.trainers.made import nnUNetTrainerSynFoC

        plans = {**self.read_plans(), "continue_training": False}
        return nnUNetTrainerSynFoC(plans, configuration, fold, self.dataset_json, torch.device("cpu"))
