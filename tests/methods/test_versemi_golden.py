"""VerSemi's unlabeled stage against the numbers of the released code, through the real `VerSemi.losses`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden_files import GOLDEN
from torch import nn

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.methods import versemi
from nnunetv2_semiseg.methods.base import Setting
from nnunetv2_semiseg.methods.step import Progress, StepContext, StepLosses
from nnunetv2_semiseg.methods.versemi import LabeledMix, VerSemi, VerSemiConfig

VERSEMI = GOLDEN / "versemi_losses.npz"
TASKS = 4
TERMS = {
    "supervised": "out_supervised",
    "synthetic": "out_synthetic_supervised",
    "consistency": "out_synthetic_consistency",
    "region": "out_labeled_region",
}
Golden = dict[str, torch.Tensor]


class TaskStub(nn.Module):
    """Answers with the golden logits of the tasks that it is asked for, and checks what it is asked."""

    def __init__(self, numbers: Golden) -> None:
        super().__init__()
        self.numbers = numbers

    def forward(self, images: torch.Tensor, tasks: torch.Tensor) -> torch.Tensor:
        if tasks.ndim == 1:
            assert tasks.tolist() == [0, 0]
            return self.numbers["in_supervised_logits"]
        if tasks.shape[1] == 1:
            assert tasks.tolist() == [[TASKS]]
            return self.numbers["in_synthetic_supervised_logits"][:, None]
        assert tasks.tolist() == [[0, 1, 2, 3, TASKS]] * 2
        keep = self.numbers["in_cutmix_keep_unlabeled"]
        assert torch.equal(images, keep.float())  # labeled patches are 0 and unlabeled ones are 1
        of_tasks = self.numbers["in_task_logits"].transpose(0, 1)
        return torch.cat([of_tasks, self.numbers["in_synthetic_logits"][:, None]], dim=1)


def run_step(numbers: Golden, monkeypatch: pytest.MonkeyPatch) -> StepLosses:
    label, synthetic = numbers["in_label"], numbers["in_synthetic_label"]
    setting = Setting(
        num_classes=TASKS + 1, in_channels=1, patch_size=tuple(label.shape[1:]), new_network=nn.Identity
    )
    method = VerSemi(VerSemiConfig(), setting, nn.Identity())
    images, names = torch.zeros(2, 1, *label.shape[1:]), ("0", "1")
    batch = SemiSegBatch(
        images,
        (label[:, None].to(torch.int16),),
        images + 1,
        images + 1,
        names,
        names,
        task_ids=torch.zeros(2, dtype=torch.int64),
    )
    cube = numbers["in_cutmix_keep_unlabeled"] == 0
    monkeypatch.setattr(versemi, "draw_cubes", lambda count, shape, side: cube[:count])
    # the golden labels of (b) are random, and no mixture of those of (a)
    targets = torch.stack([synthetic.bool()] * 3, dim=1)
    mix = LabeledMix(images[:1], torch.tensor([[0, 0, TASKS]]), targets)
    monkeypatch.setattr(method, "_mix_labeled", lambda batch, side: mix)

    def not_used(output: object, targets: object) -> torch.Tensor:
        raise AssertionError("VerSemi has a supervised loss of its own")

    return method.losses(batch, StepContext(TaskStub(numbers), not_used, Progress(50, 100)))


def test_every_term_and_the_total_of_the_unlabeled_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    with np.load(VERSEMI) as arrays:
        numbers = {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}
    losses = run_step(numbers, monkeypatch)
    assert losses.terms.keys() == TERMS.keys()
    for ours, theirs in TERMS.items():
        torch.testing.assert_close(losses.terms[ours].value, numbers[theirs], rtol=1e-5, atol=1e-6)
        assert losses.terms[ours].weight == 1
    torch.testing.assert_close(losses.total, numbers["out_total"], rtol=1e-5, atol=1e-6)
