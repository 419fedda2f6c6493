"""Preprocessing of one unlabeled case, in a background process."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2

from nnunetv2_semiseg.core.errors import UserError


@dataclass(frozen=True)
class CaseTask:
    """One case to preprocess.

    Attributes:
        case: Name of the case.
        files: Its images, in the order of their channels.
        output: Existing folder that receives the case's files.
        plans_manager: nnU-Net's plans.
        configuration_manager: The configuration to preprocess for.
        dataset_json: Content of the dataset's ``dataset.json``.
    """

    case: str
    files: tuple[Path, ...]
    output: Path
    plans_manager: Any
    configuration_manager: Any
    dataset_json: Mapping[str, Any]


def preprocess_case(task: CaseTask) -> str | None:
    """Preprocess an image as nnU-Net does for a labeled case, and write it in nnU-Net's format.

    Returns:
        None, or in a few words what is wrong with the image. Trouble of the machine (no memory, a full disk)
        is raised instead.
    """
    try:
        data, seg, properties = _run_preprocessor(task)
    except MemoryError:
        raise
    except Exception as error:  # readers raise what they like on a broken file
        reason = (str(error) or type(error).__name__).strip().splitlines()[-1]
        return textwrap.shorten(reason, 120)
    _save(task, data, seg, properties)
    return None


def _run_preprocessor(task: CaseTask) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """The two halves of nnU-Net's ``run_case``, the image checked between them.

    A flat image among volumes would otherwise be resampled from the slice thickness of 999 that nnU-Net gives
    it, to hundreds of slices.
    """
    plans = task.plans_manager
    data, properties = plans.image_reader_writer_class().read_images([str(file) for file in task.files])
    if not np.isfinite(data).all():
        raise UserError("it has values that are NaN or infinite")
    _check_channels(data.shape[0], task.dataset_json)
    _check_dimension(data.shape[1:], plans)
    preprocessor = task.configuration_manager.preprocessor_class(verbose=False)
    data, seg, properties = preprocessor.run_case_npy(
        data, None, properties, plans, task.configuration_manager, task.dataset_json
    )
    properties["class_locations"] = {}  # nnU-Net's loader looks the key up
    return data, seg, properties


def _check_channels(channels: int, dataset_json: Mapping[str, Any]) -> None:
    # nnU-Net 1 called them modalities, and nnU-Net 2 still reads such files
    names = dataset_json.get("channel_names") or dataset_json["modality"]
    if channels != len(names):
        raise UserError(f"it has {channels} channel(s) and dataset.json names {len(names)}")


def _check_dimension(shape: tuple[int, ...], plans_manager: Any) -> None:
    flat = shape[plans_manager.transpose_forward[0]] == 1
    plans_are_flat = round(plans_manager.original_median_shape_after_transp[0]) == 1
    if flat and not plans_are_flat:
        raise UserError("it is a 2D image and the labeled ones are volumes")
    if plans_are_flat and not flat:
        raise UserError("it is a volume and the labeled images are 2D")


def _save(task: CaseTask, data: np.ndarray, seg: np.ndarray, properties: dict[str, Any]) -> None:
    """Write as nnU-Net's ``run_case_save`` does."""
    data = data.astype(np.float32, copy=False)
    seg = seg.astype(np.int16, copy=False)
    patch_size = tuple(task.configuration_manager.patch_size)
    blocks, chunks = comp_blosc2_params(data.shape, patch_size, data.itemsize)
    blocks_seg, chunks_seg = comp_blosc2_params(seg.shape, patch_size, seg.itemsize)
    nnUNetDatasetBlosc2.save_case(
        data,
        seg,
        properties,
        str(task.output / task.case),
        chunks=chunks,
        blocks=blocks,
        chunks_seg=chunks_seg,
        blocks_seg=blocks_seg,
    )
