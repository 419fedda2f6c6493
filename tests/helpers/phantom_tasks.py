"""Tasks for the phantom, so that methods which learn from merged datasets can be trained on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace


def write_tasks(workspace: Workspace) -> None:
    """Every second case is annotated for one organ, the others for both."""
    content = workspace.dataset_json
    names = [name for name in content["labels"] if name != "background"]
    truth = (workspace.preprocessed / "gt_segmentations").iterdir()
    cases = sorted(path.name.removesuffix(content["file_ending"]) for path in truth)
    tasks = {
        name: {"label": label, "source": workspace.dataset, "source_label": label}
        for label, name in enumerate(names, start=1)
    }
    of_case = {case: names if index % 2 else names[:1] for index, case in enumerate(cases)}
    workspace.write_dataset_json({**content, "tasks": tasks, "case_tasks": of_case})
