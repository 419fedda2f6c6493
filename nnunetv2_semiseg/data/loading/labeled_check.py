"""Whether the preprocessed labeled cases belong to the plans.

Planning again rewrites the plans and leaves what was preprocessed before. nnU-Net trains on regardless; here
the labeled images would then have another resolution than the unlabeled ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
from nnunetv2.utilities.dataset_name_id_conversion import convert_dataset_name_to_id

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.core.files import reading
from nnunetv2_semiseg.data.raw.folders import preprocessed_folder

CASES_LOOKED_AT = 5
"""Number of cases that are read: a change of spacing shows in nearly every one, and all may take minutes."""


def check_labeled_matches_plans(dataset_name: str, configuration: str, plans_manager: Any) -> None:
    """Compare the sizes of a few preprocessed labeled cases with what the plans would give.

    Args:
        dataset_name: ``DatasetNNN_Name``.
        configuration: Name of the configuration to be trained.
        plans_manager: nnU-Net's plans of the dataset.

    Raises:
        UserFileError: No labeled case has been preprocessed for this configuration.
        UserError: A case cannot be read, or has a size that the plans' spacing does not give.
    """
    manager = plans_manager.get_configuration(configuration)
    folder = preprocessed_folder() / dataset_name / manager.data_identifier
    remedy = (
        f"run nnUNetv2_preprocess -d {convert_dataset_name_to_id(dataset_name)} -c {configuration} "
        f"-plans_name {plans_manager.plans_name}"
    )
    if not folder.is_dir() or not any(folder.iterdir()):
        raise UserFileError(f"no preprocessed labeled cases in {folder}: {remedy}")
    with reading(folder, remedy):
        dataset_class = infer_dataset_class(str(folder))
        cases = sorted(dataset_class.get_identifiers(str(folder)))
        dataset = dataset_class(str(folder), cases)
    for index in np.unique(np.linspace(0, len(cases) - 1, CASES_LOOKED_AT).astype(int)):
        with reading(f"labeled case {cases[index]} in {folder}", remedy):
            data, _, _, properties = dataset.load_case(cases[index])
        expected = _planned_shape(properties, plans_manager, manager)
        if tuple(data.shape[1:]) != expected:
            raise UserError(
                f"labeled case {cases[index]} was preprocessed with other plans, to the size "
                f"{tuple(data.shape[1:])} where the present plans give {expected}: {remedy}"
            )


def _planned_shape(properties: dict[str, Any], plans_manager: Any, manager: Any) -> tuple[int, ...]:
    """The size that a case has after nnU-Net's resampling."""
    cropped = properties["shape_after_cropping_and_before_resampling"]
    if manager.configuration["resampling_fn_data"] == "no_resampling_hack":
        return tuple(cropped)
    spacing = [properties["spacing"][axis] for axis in plans_manager.transpose_forward]
    # 2d configurations keep the distance between slices
    target = [spacing[0], *manager.spacing] if len(manager.spacing) == 2 else manager.spacing
    return tuple(int(size) for size in compute_new_shape(cropped, spacing, target))
