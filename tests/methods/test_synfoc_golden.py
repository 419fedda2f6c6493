"""SynFoC's step against the numbers of the released code, through the real `SynFoC.losses`."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from golden_files import GOLDEN
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.methods import synfoc
from nnunetv2_semiseg.methods.base import Setting
from nnunetv2_semiseg.methods.losses.segmentation import seg_loss
from nnunetv2_semiseg.methods.step import Progress, StepContext
from nnunetv2_semiseg.methods.synfoc import SynFoC, SynFoCConfig
from nnunetv2_semiseg.networks.pixels import nearest_map
from nnunetv2_semiseg.networks.sam.config import FoundationConfig

CASES = ["binary", "four_class", "batch4"]


class Replay(nn.Module):
    """A network that answers its calls with the given logits, in order."""

    def __init__(self, *answers: torch.Tensor) -> None:
        super().__init__()
        self.answers = list(answers)
        self.grid_size = tuple(answers[0].shape[2:])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        answer = self.answers.pop(0)
        assert len(answer) == len(images)
        return answer


class Step:
    """A SynFoC whose networks return the golden logits, and what it computes from them."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        stored = np.load(GOLDEN / f"synfoc_step_{name}.npz")
        self.golden = {key: torch.from_numpy(np.asarray(stored[key])) for key in stored.files}
        given = self.golden
        size = tuple(given["in_label"].shape[1:])
        config = SynFoCConfig(
            foundation=FoundationConfig(architecture="vit_tiny", random_weights=True, image_size=32),
            threshold=float(given["in_threshold"]),
            mask_background_dice=False,
        )
        classes = given["in_unet_teacher_logits"].shape[1]
        network = nn.Conv2d(1, classes, 1)
        setting = Setting(num_classes=classes, in_channels=1, patch_size=size, new_network=nn.Identity)
        self.method = SynFoC(config, setting, network)
        self.method.network_teacher = Replay(given["in_unet_teacher_logits"])
        self.method.foundation_teacher = Replay(given["in_sam_teacher_logits"])
        self.method.foundation = Replay(
            torch.cat([given["in_sam_labeled_logits"], given["in_sam_mixed_logits"]])
        )
        self.network = Replay(
            given["in_unet_student_weak_logits"],
            torch.cat([given["in_unet_labeled_logits"], given["in_unet_mixed_logits"]]),
        )
        box = given["in_cutmix_box"].bool()[:, None]
        monkeypatch.setattr(synfoc, "draw_cutmix_boxes", lambda count, shape: box)
        monkeypatch.setattr(synfoc, "sigmoid_ramp", lambda progress: float(given["in_consistency_weight"]))

    def batch(self) -> SemiSegBatch:
        label = self.golden["in_label"]
        images = torch.zeros(label.shape)[:, None]
        names = tuple(str(index) for index in range(len(label)))
        target = label[:, None].to(torch.int16)
        return SemiSegBatch(images, (target,), images, images, names, names)

    def context(self) -> StepContext:
        def supervised(logits: torch.Tensor, targets: tuple[torch.Tensor, ...]) -> torch.Tensor:
            labels = targets[0][:, 0].long()
            return seg_loss(logits, labels, torch.ones_like(labels, dtype=torch.bool))

        return StepContext(self.network, supervised, Progress(0, 100))

    def run(self) -> Any:
        return self.method.losses(self.batch(), self.context())


@pytest.fixture(params=CASES)
def step(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Step:
    return Step(request.param, monkeypatch)


def assert_equal(ours: torch.Tensor, golden: torch.Tensor) -> None:
    np.testing.assert_allclose(
        ours.detach().numpy().astype(np.float64), golden.numpy().astype(np.float64), rtol=1e-4, atol=1e-5
    )


def test_terms_and_total(step: Step) -> None:
    losses = step.run()
    names = {
        "supervised": "out_unet_supervised_loss",
        "supervised_foundation": "out_sam_supervised_loss",
        "unsupervised": "out_unet_unsupervised_loss",
        "unsupervised_foundation": "out_sam_unsupervised_loss",
        "consensus": "out_consensus_loss",
        "divergence": "out_divergence_loss",
    }
    assert set(losses.terms) == set(names)
    for ours, theirs in names.items():
        assert_equal(losses.terms[ours].value, step.golden[theirs])
    assert_equal(losses.total, step.golden["out_total_loss"])


def test_confidence_measures(step: Step) -> None:
    measures = step.run().measures
    golden = step.golden
    assert_equal(measures["self_confidence"], golden["out_self_confidence"].mean())
    assert_equal(measures["mutual_confidence"], golden["out_mutual_confidence"].mean())
    alpha = golden["out_self_confidence"] * golden["out_mutual_confidence"]
    assert_equal(measures["alpha"], alpha.mean())


def test_pseudo_labels_before_and_after_mixing(step: Step) -> None:
    golden, batch = step.golden, step.batch()
    pseudo, measures, _ = step.method._pseudo_labels(batch.unlabeled_weak, batch.inside, step.network)
    assert_equal(pseudo.patch.classes, golden["out_pseudo_label"])
    assert_equal(pseudo.grid.classes, golden["out_lowres_pseudo_label"])
    # the released code mixes in place, so its masks "before" mixing are already 1 inside the box
    box = golden["in_cutmix_box"].bool()
    grid_box = nearest_map(box, tuple(pseudo.grid.classes.shape[1:]))
    assert_equal(pseudo.patch.trusted | box, golden["out_mask_before_mix"][:, 0])
    assert_equal(pseudo.grid.trusted | grid_box, golden["out_lowres_mask_before_mix"][:, 0])
    assert_equal(measures["confident_share"], pseudo.patch.trusted.float().mean())
    assert_equal(measures["foundation_confident_share"], pseudo.grid.trusted.float().mean())

    _, mixed, _ = step.method._mix(batch, step.method._true_labels(batch.labeled_targets[0]), pseudo)
    assert_equal(mixed.patch.classes, golden["out_mixed_label"])
    assert_equal(mixed.patch.trusted, golden["out_mixed_mask"][:, 0])
    assert_equal(mixed.grid.classes, golden["out_lowres_mixed_label"])
    assert_equal(mixed.grid.trusted, golden["out_lowres_mixed_mask"][:, 0])


def test_labels_reach_the_foundation_grid_by_nearest(step: Step) -> None:
    golden = step.golden
    ours = nearest_map(golden["in_label"], tuple(golden["in_label_lowres"].shape[1:]))
    assert_equal(ours, golden["in_label_lowres"])


def test_weights_of_consensus_and_divergence(step: Step) -> None:
    step.method.config = dataclasses.replace(step.method.config, consensus_weight=0.5, divergence_weight=0)
    golden, terms = step.golden, step.run().terms
    ramp = float(golden["in_consistency_weight"])
    assert terms["consensus"].weight == pytest.approx(0.5 * ramp)
    assert terms["divergence"].weight == 0
    assert terms["unsupervised"].weight == pytest.approx(ramp)
