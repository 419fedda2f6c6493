"""The converters on samples of the real releases."""

from __future__ import annotations

import json

import pytest
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from released_files import options

pytestmark = pytest.mark.real_data


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
    choices = options(real_data / folder, domain, labeled, size=size)
    result = converter(script).convert(choices, raw_parent)
    found = tuple(len(list((result / name).iterdir())) for name in ("imagesTr", "imagesUn", "imagesTs"))
    assert found == counts
    assert len(json.loads((result / "dataset.json").read_text())["domains"]) == sum(counts)
    verify_dataset_integrity(str(result), 1)


def test_sample_with_no_mask_in_the_labeled_domain_is_refused(real_data, converter, raw_parent):
    with pytest.raises(ValueError, match=r"only 0 .*I2CVB/train/image/00_01\.png"):
        converter("Dataset502_Prostate").convert(options(real_data / "ProstateSlice", "I2CVB"), raw_parent)
