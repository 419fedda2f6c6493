"""Generated data: reproducible, of several domains, valid for nnU-Net."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from threads import use_threads

from nnunetv2_semiseg.data.conversion.phantom import (
    DOMAINS,
    SPACING,
    PhantomOptions,
    generate,
    write_phantom_dataset,
)

TINY = {"train": 3, "test": 1, "labeled": 2, "size": 32}


@pytest.fixture(autouse=True)
def _threads(monkeypatch):
    use_threads(monkeypatch)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("dimension", "shape"), [(2, (64, 64)), (3, (32, 64, 64))])
@pytest.mark.parametrize("domain", DOMAINS)
def test_image_and_label_have_the_shape_and_all_labels(domain, dimension, shape):
    image, label = generate(domain, 0, size=64, dimension=dimension)
    assert (image.shape, image.dtype) == (shape, np.float32)
    assert (label.shape, label.dtype) == (shape, np.uint8)
    assert 0 <= image.min() < image.max() <= 1
    assert set(np.unique(label)) == {0, 1, 2}


def test_the_same_arguments_give_the_same_case_and_others_another():
    image, label = generate("A", 3, size=32, seed=5)
    again, label_again = generate("A", 3, size=32, seed=5)
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(label, label_again)
    for other in (
        generate("A", 4, size=32, seed=5),
        generate("B", 3, size=32, seed=5),
        generate("A", 3, size=32),
    ):
        assert not np.array_equal(label, other[1])


def test_domains_order_the_organs_intensities_differently():
    def brighter_organ(domain):
        cases = [generate(domain, index, size=64) for index in range(5)]
        large, small = (np.mean([image[label == organ].mean() for image, label in cases]) for organ in (1, 2))
        return "large" if large > small else "small"

    assert brighter_organ("A") == brighter_organ("B") == "small"
    assert brighter_organ("C") == "large"


def test_dataset_has_labeled_cases_of_one_domain_only(raw_parent):
    folder = write_phantom_dataset(raw_parent, 500, "Phantom", PhantomOptions(**TINY, labeled_domain="B"))
    assert names(folder / "imagesTr") == ["B_0000_0000.png", "B_0001_0000.png"]
    assert names(folder / "labelsTs") == ["A_0003.png", "B_0003.png", "C_0003.png"]
    assert len(names(folder / "imagesUn")) == 7
    content = json.loads((folder / "dataset.json").read_text())
    assert "SYNTHETIC" in content["description"]
    assert content["domains"]["C_0001"] == "C"
    verify_dataset_integrity(str(folder), 1)


def test_volumes_have_spacing(raw_parent):
    options = PhantomOptions(**TINY, dimension=3, domains=1)
    folder = write_phantom_dataset(raw_parent, 500, "Phantom", options)
    volume = sitk.ReadImage(str(folder / "imagesTr" / "A_0000_0000.nii.gz"))
    assert volume.GetSpacing() == SPACING[::-1]
    assert volume.GetSize() == (32, 32, 16)
    verify_dataset_integrity(str(folder), 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"domains": 5}, "choose 1 to 4"),
        ({"dimension": 4}, "choose 2 or 3"),
        ({"size": 8}, "at least 16"),
        ({"labeled_domain": "D"}, "choose A or B or C"),
        ({"labeled": 81}, "81 labeled of 80"),
        ({"labeled": 0}, "at least one image must be labeled"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PhantomOptions(**options)
