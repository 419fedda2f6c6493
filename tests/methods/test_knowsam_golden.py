"""KnowSAM's step against the numbers of the released code, through the real `KnowSAM.losses`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pytest
import torch
from golden_files import GOLDEN
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.core.config import parse_config
from nnunetv2_semiseg.methods import knowsam
from nnunetv2_semiseg.methods.base import Setting
from nnunetv2_semiseg.methods.knowsam import KnowSAM, KnowSAMConfig
from nnunetv2_semiseg.methods.losses.segmentation import seg_loss
from nnunetv2_semiseg.methods.step import Progress, StepContext, StepLosses
from nnunetv2_semiseg.networks.fused import FusedOutput

Golden = dict[str, torch.Tensor]

TERMS = {
    "supervised_subnet_a": "out_supervised_a",
    "supervised_subnet_b": "out_supervised_b",
    "supervised_fused": "out_supervised_fused",
    "supervised_sam": "out_supervised_sam",
    "distillation_subnet_a": "out_kd_a",
    "distillation_subnet_b": "out_kd_b",
    "entropy_subnet_a": "out_entropy_a",
    "entropy_subnet_b": "out_entropy_b",
    "mutual_subnet_a": "out_mutual_a",
    "mutual_subnet_b": "out_mutual_b",
}


def golden(name: str) -> Golden:
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}


def assert_equal(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    np.testing.assert_allclose(
        ours.detach().numpy().astype(np.float64), theirs.numpy().astype(np.float64), rtol=1e-4, atol=1e-5
    )


def make_method(values: Mapping[str, Any], classes: int) -> KnowSAM:
    foundation = {"architecture": "vit_tiny", "random_weights": True, "image_size": 32}
    skd = {"foundation": foundation, **values.get("skd", {})}
    setting = Setting(num_classes=classes, in_channels=1, patch_size=(64, 64), new_network=nn.Identity)
    return KnowSAM(parse_config(KnowSAMConfig, {**values, "skd": skd}, "test"), setting, nn.Identity())


def make_batch(labeled: torch.Tensor, unlabeled: torch.Tensor, labels: torch.Tensor) -> SemiSegBatch:
    names = tuple(str(index) for index in range(len(labeled)))
    target = labels[:, None].to(torch.int16)
    return SemiSegBatch(labeled, (target,), unlabeled, unlabeled, names, names)


class Subnets(nn.Module):
    """A fused network that answers with the golden logits."""

    def __init__(self, numbers: Golden) -> None:
        super().__init__()
        self.output = FusedOutput(
            *(numbers[f"in_{name}_logits"] for name in ("fused", "subnet_a", "subnet_b"))
        )

    def forward(self, images: torch.Tensor, with_subnets: bool) -> FusedOutput:
        assert with_subnets
        assert len(images) == len(self.output.fused)
        return self.output


class Sam(nn.Module):
    """A SAM branch that answers with the golden logits of the images that it is asked about."""

    def __init__(self, numbers: Golden) -> None:
        super().__init__()
        self.numbers = numbers

    def predict(self, images: torch.Tensor, mask_logits: torch.Tensor) -> torch.Tensor:
        asked = images[:, 0, 0, 0].long()  # the stub images hold their number
        assert torch.equal(mask_logits, self.numbers["in_fused_logits"][asked])
        return self.numbers["in_sam_logits"][asked]


def run_step(numbers: Golden, monkeypatch: pytest.MonkeyPatch) -> StepLosses:
    """One step before the mixing, with golden answers of all networks."""
    temperature, mutual_weight = float(numbers["in_temperature"]), float(numbers["in_mutual_weight"])
    labeled, size = int(numbers["in_labeled_batch_size"]), numbers["in_label"].shape[1:]
    method = make_method({"skd": {"temperature": temperature}}, numbers["in_fused_logits"].shape[1])
    method.sam = Sam(numbers)
    images = torch.arange(len(numbers["in_label"])).float()[:, None, None, None].expand(-1, 1, *size)
    batch = make_batch(images[:labeled], images[labeled:], numbers["in_label"][:labeled])
    monkeypatch.setattr(knowsam, "sigmoid_ramp", lambda progress: mutual_weight)

    def supervised(logits: torch.Tensor, targets: tuple[torch.Tensor, ...]) -> torch.Tensor:
        labels = targets[0][:, 0].long()
        return seg_loss(logits, labels, torch.ones_like(labels, dtype=torch.bool))

    return method.losses(batch, StepContext(Subnets(numbers), supervised, Progress(0, 100)))


def test_every_term_and_the_total_without_mixing(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = golden("knowsam_losses_two_class")
    losses = run_step(numbers, monkeypatch)
    assert losses.terms.keys() == TERMS.keys()
    for ours, theirs in TERMS.items():
        assert_equal(losses.terms[ours].value, numbers[theirs])
    # SAM has an optimizer of its own in the released code, so its loss is no part of that total
    sam = losses.terms["supervised_sam"]
    assert sam.weight == 1
    assert_equal(losses.total - sam.value, numbers["out_subnets_total_without_mix"])


def test_weights_before_the_mixing(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = golden("knowsam_losses_two_class")
    terms = run_step(numbers, monkeypatch).terms
    for subnet in ("subnet_a", "subnet_b"):
        weights = {name: terms[f"{name}_{subnet}"].weight for name in ("supervised", "distillation")}
        assert weights == {"supervised": 0.5, "distillation": 0.5}
        assert terms[f"entropy_{subnet}"].weight == pytest.approx(0.45)
        assert terms[f"mutual_{subnet}"].weight == pytest.approx(float(numbers["in_mutual_weight"]) / 2)
    assert terms["supervised_fused"].weight == 1


@pytest.mark.parametrize("rule", ["most", "least"])
def test_uncertainty_guided_mixing(rule: Literal["most", "least"]) -> None:
    numbers = golden("knowsam_uncertainty_mix")
    classes = numbers["in_fused_probabilities"].shape[1]
    settings = {
        "mixing_grid": int(numbers["in_grid"]),
        "mixing_cells": int(numbers["in_top_k"]),
        "mixing_rule": rule,
    }
    method = make_method(settings, classes)
    batch = make_batch(*numbers["in_images"].chunk(2), numbers["in_label_labeled"])
    pseudo_label = numbers["in_pseudo_label_unlabeled"]
    sam_logits = 5 * nn.functional.one_hot(pseudo_label, classes).movedim(-1, 1).float()

    regions = method._regions(numbers["in_fused_probabilities"].log(), batch.all_inside)
    images, labels = method._mix(batch, sam_logits, regions)
    assert labels.trusted.all()
    names = [f"out_{rule}_uncertain_{kind}" for kind in ("labeled", "unlabeled")]
    assert_equal(images, torch.cat([numbers[f"{name}_image"] for name in names]))
    assert_equal(labels.classes, torch.cat([numbers[f"{name}_label"] for name in names]))
