"""What cannot be trained is refused in one sentence, before anything is written."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace


def refused(workspace: Workspace, message: str, kind: type[Exception] = NotImplementedError) -> None:
    """Making a trainer fails and leaves no folder."""
    with pytest.raises(kind, match=message):
        workspace.make_trainer()
    assert not workspace.results.exists()


def change_configuration(workspace: Workspace, **values: Any) -> None:
    plans = workspace.read_plans()
    plans["configurations"]["2d_tiny"].update(values)
    workspace.write_plans(plans)


def test_what_is_supported_makes_its_folder(workspace: Workspace) -> None:
    workspace.make_trainer()
    assert workspace.model().is_dir()


def test_region_labels(workspace: Workspace) -> None:
    labels = {"background": 0, "organs": [1, 2], "small organ": 2}
    content = {**workspace.dataset_json, "labels": labels, "regions_class_order": [1, 2]}
    workspace.write_dataset_json(content)
    refused(workspace, r"region-based labels, which synfoc does not support: .*define 'labels'")


def test_second_stage_of_a_cascade(workspace: Workspace) -> None:
    change_configuration(workspace, previous_stage="2d")
    refused(workspace, r"'2d_tiny' is the second stage of a cascade, .*use 3d_fullres or 2d")


def test_patches_of_the_wrong_dimension(workspace: Workspace) -> None:
    change_configuration(workspace, patch_size=[16, 32, 32])
    refused(workspace, r"synfoc works on 2D patches and .* has 3D ones: train in the 2d configuration")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"epoch": 3}, r"configuration '2d_tiny', semiseg: unknown key 'epoch'; valid keys are epochs"),
        ({"synfoc": {"threshold": 2}}, r"threshold = 2: .*less than 1"),
        ({"labeled_batch_size": 0}, r"labeled_batch_size = 0: .*greater than or equal to 1"),
        ({"unlabeled_batch_size": 0}, r"unlabeled_batch_size = 0: .*greater than or equal to 1"),
    ],
)
def test_wrong_hyper_parameters(workspace: Workspace, section: dict[str, Any], message: str) -> None:
    change_configuration(workspace, semiseg=section)
    refused(workspace, message, ValueError)


class Malicious:
    """Writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def write_foundation(workspace: Workspace, file: Path, what: str) -> None:
    if what == "truncated":
        workspace.write_sam_file(file)
        file.write_bytes(file.read_bytes()[:-2000])
    elif what == "other":
        workspace.write_sam_file(file, "vit_small")
    elif what == "malicious":
        file.write_bytes(pickle.dumps(Malicious(file.with_name("ran"))))
    elif what == "malicious_zip":
        workspace.write_sam_file(file, extra=Malicious(file.with_name("ran")))


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("missing", FileNotFoundError, "no such file; name an existing checkpoint"),
        ("truncated", ValueError, "truncated, damaged or no PyTorch checkpoint; fetch it again"),
        ("other", ValueError, r"looks like vit_small .*set architecture=vit_small or name another file"),
        ("malicious", ValueError, r"; name (a file of nothing but weights|the file as published)"),
        (
            "malicious_zip",
            ValueError,
            r"foreign code, so it was not read; name a file of nothing but weights",
        ),
    ],
)
def test_unusable_foundation_weights_stop_a_training_before_images_are_preprocessed(
    workspace: Workspace, what: str, kind: type[Exception], message: str
) -> None:
    file = workspace.root / "foundation.pth"
    write_foundation(workspace, file, what)
    forget_unlabeled(workspace)
    foundation = {"checkpoint": str(file), "random_weights": False}
    trainer = workspace.make_trainer(workspace.configure("2d_file", synfoc={"foundation": foundation}))
    with pytest.raises(kind, match=rf"{file}\b.*{message}"):
        trainer.on_train_start()
    assert not list(workspace.preprocessed.glob("*_unlabeled*"))
    assert not file.with_name("ran").exists()


def test_no_foundation_weights_named(workspace: Workspace) -> None:
    forget_unlabeled(workspace)
    settings = {"foundation": {"architecture": "vit_b", "random_weights": False}}
    trainer = workspace.make_trainer(workspace.configure("2d_none", synfoc=settings))
    message = r"medsam_vit_b\.pth, is not there: .*nnUNetv2_semiseg_configure.*random_weights=true"
    with pytest.raises(ValueError, match=message):
        trainer.on_train_start()
    assert not list(workspace.preprocessed.glob("*_unlabeled*"))


def forget_unlabeled(workspace: Workspace) -> None:
    for path in workspace.preprocessed.glob("*_unlabeled*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("empty", [True, False])
def test_labeled_cases_that_were_never_preprocessed(workspace: Workspace, empty: bool) -> None:
    folder = workspace.preprocessed / "nnUNetPlans_2d"
    shutil.rmtree(folder)
    if empty:
        folder.mkdir()
    message = r"no preprocessed labeled cases in .*run nnUNetv2_preprocess -d 500 -c 2d_tiny"
    with pytest.raises(FileNotFoundError, match=message):
        workspace.make_trainer().on_train_start()


@pytest.mark.parametrize("empty", [True, False])
def test_no_unlabeled_images(workspace: Workspace, empty: bool) -> None:
    images = workspace.raw / "imagesUn"
    shutil.rmtree(images)
    if empty:
        images.mkdir()
    trainer = workspace.make_trainer()
    with pytest.raises(FileNotFoundError, match="imagesUn"):
        trainer.on_train_start()


def test_raw_images_are_not_needed_once_preprocessed(workspace: Workspace) -> None:
    shutil.rmtree(workspace.raw)
    trainer = workspace.make_trainer()
    trainer.on_train_start()
    assert len(next(trainer.dataloader_train).unlabeled_cases) == 2
