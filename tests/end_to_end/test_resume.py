"""A training that was stopped anywhere and continued equals one that was never stopped."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
from stopping import Stopped, stopped_after

from nnunetv2_semiseg.trainers.engine import checkpoint as checkpoints

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

    Train = Callable[..., None]

pytestmark = pytest.mark.slow


def test_a_companion_holds_both_teachers_and_the_foundation(workspace: Workspace, train: Train) -> None:
    """What going on rests on."""
    train("2d_tiny", 0)
    companion = workspace.checkpoint(workspace.model())[checkpoints.COMPANION_KEY]
    parts = {name.split(".")[0] for name in companion["state"]}
    assert parts == {"network_teacher", "foundation", "foundation_teacher"}
    assert not [name for name in companion["state"] if ".encoder.vit." in f".{name}"]
    assert companion["step"] == 4
    (moments,) = companion["optimizers"].values()
    assert moments["state"][0]["step"] == 4
    assert set(companion["random"]) == {"python", "numpy", "torch", "cuda"}


def test_a_training_without_seed_goes_on(workspace: Workspace, train: Train) -> None:
    configuration = workspace.configure("2d_free", seed=None, epochs=3)
    stopped_after(2, lambda: train(configuration, 0))
    train(configuration, 0, "--c")
    content = workspace.checkpoint(workspace.model(configuration=configuration))
    assert content["current_epoch"] == 3
    assert content[checkpoints.COMPANION_KEY]["step"] == 6
    assert {len(values) for values in content["logging"].values()} == {3}


def test_a_longer_training_goes_on_from_a_finished_one(workspace: Workspace, train: Train) -> None:
    train("2d_tiny", 0)
    plans = workspace.read_plans()
    plans["configurations"]["2d_tiny"]["semiseg"]["epochs"] = 3
    workspace.write_plans(plans)
    train("2d_tiny", 0, "--c")
    content = workspace.checkpoint(workspace.model())
    assert content["current_epoch"] == 3
    assert content[checkpoints.COMPANION_KEY]["step"] == 6


def test_other_frozen_weights_are_refused(workspace: Workspace, train: Train) -> None:
    file = workspace.root / "foundation.pth"
    foundation = {"checkpoint": str(file), "random_weights": False}
    configuration = workspace.configure("2d_file", synfoc={"foundation": foundation})
    workspace.write_sam_file(file, seed=0)
    stopped_after(1, lambda: train(configuration, 0))
    workspace.write_sam_file(file, seed=1)
    with pytest.raises(
        ValueError, match="SHA-256 of the foundation's checkpoint has changed since this training began"
    ):
        train(configuration, 0, "--c")
    workspace.write_sam_file(file, seed=0)
    train(configuration, 0, "--c")
    assert workspace.checkpoint(workspace.model(configuration=configuration))["current_epoch"] == 2


def test_another_input_size_is_refused_though_all_weights_fit(workspace: Workspace, train: Train) -> None:
    stopped_after(1, lambda: train("2d_tiny", 0))
    plans = workspace.read_plans()
    plans["configurations"]["2d_tiny"]["semiseg"]["synfoc"]["foundation"]["normalization"] = "sam"
    workspace.write_plans(plans)
    with pytest.raises(ValueError, match=r"foundation.normalization has changed .*was medsam, is sam"):
        train("2d_tiny", 0, "--c")


def test_a_checkpoint_of_nnunets_own_trainer_is_refused(workspace: Workspace, train: Train) -> None:
    train("2d_tiny", 0)
    file = workspace.model() / "fold_0" / "checkpoint_final.pth"
    content = torch.load(file, weights_only=False)
    del content[checkpoints.COMPANION_KEY]
    torch.save({**content, "trainer_name": "nnUNetTrainer"}, file)
    with pytest.raises(ValueError, match=r"no state of this package .*: start anew without --c"):
        train("2d_tiny", 0, "--c")


def test_a_checkpoint_of_other_settings_is_refused(workspace: Workspace, train: Train) -> None:
    stopped_after(1, lambda: train("2d_tiny", 0))
    plans = workspace.read_plans()
    plans["configurations"]["2d_tiny"]["semiseg"]["synfoc"]["foundation"]["lora_rank"] = 2
    workspace.write_plans(plans)
    with pytest.raises(ValueError, match=r"does not fit this configuration .*lora.*resume with the settings"):
        train("2d_tiny", 0, "--c")


def write_forever(file: Path) -> None:
    torch.set_num_threads(1)
    number = 0
    while True:
        number += 1
        content = {str(index): torch.full((100_000,), number) for index in range(10)}
        checkpoints.save_atomically(cast("dict[str, Any]", content), file)


def test_a_kill_while_saving_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed of the delays: {seed}")
    delays = random.Random(seed)
    file = tmp_path / "checkpoint_latest.pth"
    checkpoints.save_atomically({str(index): torch.zeros(100_000) for index in range(10)}, file)
    for _ in range(30):
        process = multiprocessing.get_context("fork").Process(target=write_forever, args=(file,))
        process.start()
        time.sleep(delays.uniform(0.02, 0.15))
        os.kill(cast("int", process.pid), signal.SIGKILL)
        process.join()
        content = torch.load(file)
        assert len({float(tensor[0]) for tensor in content.values()}) == 1
        assert all((tensor == tensor[0]).all() for tensor in content.values())


@pytest.mark.parametrize("nth", [2, 3])
def test_a_kill_while_a_training_saves_leaves_all_its_checkpoints_whole(
    workspace: Workspace, train: Train, nth: int
) -> None:
    """The n-th file that a second training in the same folder writes is cut off in the middle."""
    train("2d_tiny", 0)
    written: list[Path] = []
    save = torch.save

    def cut_off(content: Any, target: Any) -> None:
        save(content, target)
        name = getattr(target, "name", None)
        if name is None:
            return  # into memory
        written.append(Path(name))
        if len(written) == nth:
            target.truncate(1000)
            raise Stopped

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(torch, "save", cut_off)
        with pytest.raises(Stopped):
            train("2d_tiny", 0)
    files = list(workspace.results.rglob("checkpoint_*.pth"))
    assert len(files) >= 4
    for file in files:
        assert torch.load(file, weights_only=False)["network_weights"]
    train("2d_tiny", 0, "--c")
    assert workspace.checkpoint(workspace.model())["current_epoch"] == 2
