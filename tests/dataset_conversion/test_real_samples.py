"""The converters on samples of the real releases."""

from __future__ import annotations

import json
import shutil

import pytest
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from released_files import options

pytestmark = pytest.mark.real_data


def part_sizes(folder):
    """Numbers of labeled, unlabeled and test images."""
    return tuple(len(list((folder / name).iterdir())) for name in ("imagesTr", "imagesUn", "imagesTs"))


@pytest.mark.parametrize(
    ("script", "folder", "domain", "labeled", "size", "counts"),
    [
        ("Dataset501_Fundus", "Fundus", "Domain1", 1, 256, (1, 3, 4)),
        ("Dataset502_Prostate", "ProstateSlice", "RUNMC", 1, None, (1, 5, 6)),
        ("Dataset503_MNMs", "mnms", "vendorA", 2, 288, (2, 10, 12)),
        ("Dataset504_BUSI", "Dataset_BUSI_with_GT", "benign", 2, None, (2, 7, 2)),
    ],
)
def test_sample_converts_and_passes_nnunets_check(
    real_data, converter, raw_parent, script, folder, domain, labeled, size, counts
):
    choices = options(real_data / "synfoc_samples" / folder, domain, labeled, size=size)
    result = converter(script).convert(choices, raw_parent)
    assert part_sizes(result) == counts
    assert len(json.loads((result / "dataset.json").read_text())["domains"]) == sum(counts)
    verify_dataset_integrity(str(result), 1)


def test_sample_with_no_mask_in_the_labeled_domain_is_refused(real_data, converter, raw_parent):
    choices = options(real_data / "synfoc_samples" / "ProstateSlice", "I2CVB")
    with pytest.raises(ValueError, match=r"only 0 .*I2CVB/train/image/00_01\.png"):
        converter("Dataset502_Prostate").convert(choices, raw_parent)


@pytest.mark.parametrize(("form", "counts"), [("volumes", (6, 10, 4)), ("slices", (58, 90, 50))])
@pytest.mark.filterwarnings("ignore:.*has no test.list:UserWarning")
def test_acdc_sample_converts_and_passes_nnunets_check(real_data, converter, raw_parent, form, counts):
    module = converter("Dataset505_ACDC")
    choices = module.AcdcOptions(source=real_data / "acdc_ssl4mis", num_labeled=3, dataset_id=505, form=form)
    result = module.convert(choices, raw_parent)
    assert part_sizes(result) == counts
    verify_dataset_integrity(str(result), 1)


def test_busi_sample_in_folders_of_images_and_masks(real_data, converter, raw_parent, source):
    release = real_data / "synfoc_samples" / "Dataset_BUSI_with_GT"
    parts = {"labeled": [1, 2], "unlabeled": [3, 4], "TestDataset/benign": [5]}
    for part, numbers in parts.items():
        for folder, suffix in (("image", ""), ("mask", "_mask")):
            (source / part / folder).mkdir(parents=True)
            for number in numbers:
                name = f"benign ({number}){suffix}.png"
                shutil.copy(release / "benign" / name, source / part / folder / name)
    module = converter("DatasetXXX_ImageMaskFolders")
    choices = module.FolderOptions(
        source=source, name="Lesion", dataset_id=507, classes=("lesion",), mask_suffix="_mask"
    )
    result = module.convert(choices, raw_parent)
    assert part_sizes(result) == (2, 2, 1)
    verify_dataset_integrity(str(result), 1)
