"""What cannot be trained is refused before a folder is made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_semiseg.core.errors import UnsupportedError, UserError
from nnunetv2_semiseg.data.merging.tasks import is_merged, read_tasks
from nnunetv2_semiseg.methods.base import Method


def refuse_unsupported(
    method_class: type[Method],
    method_config: Any,
    plans: dict[str, Any],
    configuration: str,
    dataset_json: Mapping[str, Any],
) -> None:
    """Check that a method can be trained on a dataset in a configuration.

    Args:
        method_class: The method.
        method_config: Hyper-parameters of the method.
        plans: Content of the plans file.
        configuration: Name of a configuration in it.
        dataset_json: Content of dataset.json.

    Raises:
        UnsupportedError: Region labels, a cascade, or a patch of the wrong dimension.
        UserError: The method needs tasks and the dataset has none, or what it says of them is wrong.
    """
    manager = PlansManager(plans)
    chosen = manager.get_configuration(configuration)
    dataset = manager.dataset_name
    if manager.get_label_manager(dataset_json).has_regions:
        raise UnsupportedError(
            f"{dataset} has region-based labels, which {method_class.key} does not support: pseudo-labels "
            "need classes that exclude each other; define 'labels' in dataset.json as plain integers"
        )
    if chosen.previous_stage_name is not None:
        raise UnsupportedError(
            f"configuration '{configuration}' is the second stage of a cascade, which {method_class.key} "
            "does not support: unlabeled images have no first-stage segmentation; use 3d_fullres or 2d"
        )
    _check_dimension(method_class, method_config, configuration, len(chosen.patch_size))
    if method_class.needs_tasks:
        _check_tasks(method_class.key, dataset, dataset_json)


def _check_dimension(
    method_class: type[Method], method_config: Any, configuration: str, dimension: int
) -> None:
    supported = method_class.supported_dimensions(method_config)
    if dimension not in supported:
        raise UnsupportedError(
            f"{method_class.name_with(method_config)} works on {_listed(supported)} patches and "
            f"configuration '{configuration}' has {dimension}D ones: train in the 2d configuration, which "
            "takes volumes slice by slice"
        )


def _check_tasks(method: str, dataset: str, dataset_json: Mapping[str, Any]) -> None:
    if not is_merged(dataset_json):
        raise UserError(
            f"{dataset} has no 'tasks' in dataset.json, which {method} learns: make one of several with "
            "nnUNetv2_semiseg_merge_tasks and train on that"
        )
    read_tasks(dataset_json, Path(dataset, "dataset.json"))


def _listed(dimensions: frozenset[int]) -> str:
    return " and ".join(f"{dimension}D" for dimension in sorted(dimensions))
