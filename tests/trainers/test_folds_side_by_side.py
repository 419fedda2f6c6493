"""Folds that start at the same time share files: each finds them whole."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from nnunetv2_semiseg.trainers.exported import export_folder

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace


def test_splits_that_another_fold_is_writing(workspace: Workspace) -> None:
    trainer = workspace.make_trainer()
    file = workspace.preprocessed / "splits_final.json"
    split = {"train": ["a", "b"], "val": ["c"]}
    file.write_text(json.dumps([split])[:10])
    held = FileLock(file.with_name(".splits_final.lock"), thread_local=False)
    held.acquire()

    def finish() -> None:
        file.write_text(json.dumps([split]))
        held.release()

    timer = threading.Timer(0.3, finish)
    timer.start()
    assert trainer.do_split() == (split["train"], split["val"])
    timer.join()


def test_model_files_that_another_fold_is_writing(workspace: Workspace) -> None:
    trainer = workspace.make_trainer()
    trainer.on_train_start()
    written = Path(trainer.output_folder_base, "plans.json")
    expected = json.loads(written.read_text())
    written.write_text(written.read_text()[:10])
    Path(trainer.output_folder_base, "dataset.json").write_text("")
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_best.pth")
    exported = export_folder(trainer, workspace.foundation_name)
    assert json.loads((exported / "plans.json").read_text()) == expected
    assert json.loads((exported / "dataset.json").read_text()) == trainer.dataset_json
    assert (exported / "dataset_fingerprint.json").is_file()
    assert not list(exported.glob("*.tmp"))
