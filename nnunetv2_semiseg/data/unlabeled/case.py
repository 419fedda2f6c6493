"""Preprocessing of one unlabeled case, in a background process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import short_reason
from nnunetv2_semiseg.data.raw.image_checks import Expectation, problem_of


@dataclass(frozen=True)
class PendingCase:
    """An unlabeled case that is to be preprocessed.

    Attributes:
        name: Name of the case.
        files: Files of the image, in the order of its channels.
        output: Existing folder that receives the preprocessed files.
        plans_manager: nnU-Net's plans.
        configuration_manager: The configuration to preprocess for.
        dataset_json: Content of the dataset's ``dataset.json``.
        expected: What images of the dataset are like.
    """

    name: str
    files: tuple[Path, ...]
    output: Path
    plans_manager: Any
    configuration_manager: Any
    dataset_json: Mapping[str, Any]
    expected: Expectation


def preprocess_case(case: PendingCase) -> str | None:
    """Preprocess an image as nnU-Net does for a labeled case, and write it in nnU-Net's format.

    Returns:
        None, or in a few words what is wrong with the image. Trouble of the machine (no memory, a full disk)
        is raised instead.
    """
    try:
        data, seg, properties = _run_preprocessor(case)
    except MemoryError:
        raise
    except Exception as error:  # readers raise whatever their libraries do
        return short_reason(error)
    _save(case, data, seg, properties)
    return None


def _run_preprocessor(case: PendingCase) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """The two halves of nnU-Net's ``run_case``, the image checked between them."""
    plans = case.plans_manager
    data, properties = plans.image_reader_writer_class().read_images([str(file) for file in case.files])
    problem = problem_of(data, case.expected)
    if problem is not None:
        raise UserError(f"it {problem}")
    preprocessor = case.configuration_manager.preprocessor_class(verbose=False)
    data, seg, properties = preprocessor.run_case_npy(
        data, None, properties, plans, case.configuration_manager, case.dataset_json
    )
    properties["class_locations"] = {}  # nnU-Net's loader looks the key up
    return data, seg, properties


def _save(case: PendingCase, data: np.ndarray, seg: np.ndarray, properties: dict[str, Any]) -> None:
    """Write as nnU-Net's ``run_case_save`` does."""
    data = data.astype(np.float32, copy=False)
    seg = seg.astype(np.int16, copy=False)
    patch_size = tuple(case.configuration_manager.patch_size)
    blocks, chunks = comp_blosc2_params(data.shape, patch_size, data.itemsize)
    blocks_seg, chunks_seg = comp_blosc2_params(seg.shape, patch_size, seg.itemsize)
    nnUNetDatasetBlosc2.save_case(
        data,
        seg,
        properties,
        str(case.output / case.name),
        chunks=chunks,
        blocks=blocks,
        chunks_seg=chunks_seg,
        blocks_seg=blocks_seg,
    )
