"""Labeled cases that were preprocessed before the plans changed."""

from __future__ import annotations

import shutil

import pytest
from unlabeled_fixtures import RGB, VOLUME, make_dataset

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.data.loading.labeled_check import check_labeled_matches_plans


@pytest.fixture
def dataset(request, tmp_path, tmp_path_factory, monkeypatch):
    return make_dataset(request.param, tmp_path, tmp_path_factory, monkeypatch)


def check(dataset, configuration):
    check_labeled_matches_plans(dataset.name, configuration, dataset.plans_manager)


@pytest.mark.parametrize(
    ("dataset", "configuration"), [(RGB, "2d"), (VOLUME, "2d"), (VOLUME, "3d_fullres")], indirect=["dataset"]
)
def test_fits_after_preprocessing_and_not_after_another_planning(dataset, configuration):
    check(dataset, configuration)

    def coarser(plans):
        fields = plans["configurations"][configuration]
        fields["spacing"] = [2 * size for size in fields["spacing"]]

    dataset.change_plans(coarser)
    remedy = f"nnUNetv2_preprocess -d {dataset.name[7:10]} -c {configuration} -plans_name nnUNetPlans"
    with pytest.raises(ValueError, match=rf"labeled case a was .* {remedy}"):
        check(dataset, configuration)


@pytest.mark.parametrize("dataset", [RGB], indirect=True)
def test_damaged_case_is_named(dataset):
    """As a full disk leaves it."""
    (dataset.preprocessed / "nnUNetPlans_2d" / "b.b2nd").write_bytes(b"half of the n")
    with pytest.raises(UserError, match=r"labeled case b in .* cannot be read .*nnUNetv2_preprocess -d 901"):
        check(dataset, "2d")


@pytest.mark.parametrize("dataset", [RGB], indirect=True)
def test_foreign_files_among_the_cases(dataset):
    (dataset.preprocessed / "nnUNetPlans_2d" / "note.txt").touch()
    with pytest.raises(UserError, match=r"nnUNetPlans_2d cannot be read .*nnUNetv2_preprocess -d 901"):
        check(dataset, "2d")


@pytest.mark.parametrize("dataset", [RGB], indirect=True)
def test_plans_without_resampling(dataset):
    fields = {"spacing": [2.0, 2.0], "resampling_fn_data": "no_resampling_hack"}
    dataset.change_plans(lambda plans: plans["configurations"]["2d"].update(fields))
    check(dataset, "2d")


@pytest.mark.parametrize("dataset", [RGB], indirect=True)
def test_nothing_preprocessed(dataset):
    shutil.rmtree(dataset.preprocessed / "nnUNetPlans_2d")
    with pytest.raises(
        FileNotFoundError, match=r"no preprocessed labeled cases in .*nnUNetv2_preprocess -d 901"
    ):
        check(dataset, "2d")
