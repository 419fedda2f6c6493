"""A user's own images into imagesUn: what is accepted, what is refused and said."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from PIL import Image
from threads import use_threads

from nnunetv2_semiseg.commands.add_unlabeled import main
from nnunetv2_semiseg.data.conversion.phantom import PhantomOptions, write_phantom_dataset
from nnunetv2_semiseg.data.raw import add_unlabeled as module
from nnunetv2_semiseg.data.raw.add_unlabeled import MANY, add_unlabeled
from nnunetv2_semiseg.data.raw.image_checks import Expectation, check_image, learn_expectation


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def slices(raw_parent):
    options = PhantomOptions(domains=1, train=3, labeled=2, test=1, size=32)
    return write_phantom_dataset(raw_parent, 500, "Phantom", options)


@pytest.fixture
def volumes(raw_parent):
    options = PhantomOptions(domains=1, train=2, labeled=2, test=0, size=32, dimension=3)
    return write_phantom_dataset(raw_parent, 501, "Phantom", options)


@pytest.fixture
def images(tmp_path):
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def put_slice(path, shape=(40, 30)):
    Image.fromarray(np.zeros(shape, dtype=np.uint8)).save(path)


def put_volume(path, spacing=(1.0, 1.0, 2.0), value=0.0, dimensions=3):
    volume = sitk.GetImageFromArray(np.full((8, 9, 10)[-dimensions:], value, dtype=np.float32))
    volume.SetSpacing(spacing[:dimensions])
    sitk.WriteImage(volume, str(path))


@pytest.mark.parametrize("copy", [False, True])
def test_plain_and_nnunets_names_are_accepted(slices, images, copy):
    for name in ("x_0000.png", "scan_2021.png", "y.png"):
        put_slice(images / name)
    (images / "readme.txt").write_text("not an image")
    added = add_unlabeled(slices, images, copy=copy)
    assert added.cases == ["scan_2021", "x", "y"]
    assert added.warnings == []
    assert names(slices / "imagesUn") == [
        "A_0002_0000.png",
        "scan_2021_0000.png",
        "x_0000.png",
        "y_0000.png",
    ]
    assert (slices / "imagesUn" / "y_0000.png").samefile(images / "y.png") is not copy
    assert not [name for name in names(slices) if name.startswith(".")]


def test_first_unlabeled_images_make_the_folder(volumes, images):
    put_volume(images / "x.nii.gz")
    add_unlabeled(volumes, images)
    assert names(volumes / "imagesUn") == ["x_0000.nii.gz"]


def test_domain_is_noted(slices, images):
    put_slice(images / "x.png")
    add_unlabeled(slices, images, domain="my clinic")
    content = json.loads((slices / "dataset.json").read_text())
    assert content["domains"]["x"] == "my clinic"
    assert content["domains"]["A_0000"] == "A"
    assert content["numTraining"] == 2


def test_unusual_spacing_is_a_warning(volumes, images):
    put_volume(images / "usual.nii.gz")
    put_volume(images / "coarse.nii.gz", spacing=(1.0, 1.0, 11.0))
    (warning,) = add_unlabeled(volumes, images).warnings
    assert warning.startswith("case 'coarse' has spacing (11, 1, 1), but the labeled images have (2, 1, 1)")
    assert names(volumes / "imagesUn") == ["coarse_0000.nii.gz", "usual_0000.nii.gz"]


def refused(dataset, images, message, error=ValueError):
    before = names(dataset / "imagesUn") if (dataset / "imagesUn").exists() else []
    with pytest.raises(error, match=message):
        add_unlabeled(dataset, images, domain="x")
    assert (names(dataset / "imagesUn") if (dataset / "imagesUn").exists() else []) == before
    assert "x" not in json.loads((dataset / "dataset.json").read_text())["domains"].values()
    assert not [name for name in names(dataset) if name.startswith(".")]


@pytest.mark.parametrize("case", ["A_0000", "A_0002", "A_0003"])
def test_names_of_the_dataset_are_refused(slices, images, case):
    put_slice(images / f"{case}_0000.png")
    refused(slices, images, f"case '{case}': the dataset has a case of this name")


def test_one_bad_file_keeps_the_good_ones_out(slices, images):
    put_slice(images / "good.png")
    (images / "bad.png").write_text("not a png")
    refused(slices, images, "case 'bad' cannot be read")


def test_wrong_number_of_channels_is_refused(slices, images):
    put_slice(images / "rgb.png", (40, 30, 3))
    refused(slices, images, "case 'rgb' has 3 channels, but the dataset has 1")


def test_name_that_nnunet_takes_for_a_segmentation(slices, images):
    put_slice(images / "x_seg.png")
    refused(slices, images, r"x_seg\.png: a case name must not end in '_seg'")


def test_volumes_and_single_slices_fit_where_both_are_labeled(volumes, images):
    single = sitk.ReadImage(str(volumes / "imagesTr" / "A_0000_0000.nii.gz"))[:, :, :1]
    sitk.WriteImage(single, str(volumes / "imagesTr" / "A_0000_0000.nii.gz"))
    put_volume(images / "volume.nii.gz")
    sitk.WriteImage(single, str(images / "single.nii.gz"))
    assert add_unlabeled(volumes, images).cases == ["single", "volume"]


def test_broken_labeled_image_is_named(slices, images):
    put_slice(images / "x.png")
    for path in (slices / "imagesTr").iterdir():
        path.write_text("not a png")
    refused(slices, images, r"imagesTr/A_0000_0000\.png can be read by none of nnU-Net's readers")


def test_one_broken_labeled_image_is_named(slices, images):
    put_slice(images / "x.png")
    (slices / "imagesTr" / "A_0001_0000.png").write_text("not a png")
    refused(slices, images, r"A_0001_0000\.png cannot be read .*replace or remove this labeled case")


def test_slices_do_not_fit_volumes(volumes, images):
    put_volume(images / "flat.nii.gz", dimensions=2)
    refused(volumes, images, "case 'flat' is 2D, but the labeled images are 3D")


def test_values_that_are_not_finite_are_refused(tmp_path):
    # not as .nii.gz: ITK reads NaN from it as 0
    put_volume(tmp_path / "hole.mha", value=np.nan)
    expectation = Expectation(1, True)
    problem, _ = check_image([tmp_path / "hole.mha"], SimpleITKIO(), expectation)
    assert problem == "has values that are NaN or infinite"


def test_colors_of_16_bits_are_refused_before_nnunet_does(tmp_path):
    labeled, unlabeled = tmp_path / "labeled.nii.gz", tmp_path / "unlabeled.nii.gz"
    put_volume(labeled, value=255.0)
    put_volume(unlabeled, value=4095.0)
    colors = learn_expectation([(labeled,)], ["rgb_to_0_1"], SimpleITKIO())
    problem, _ = check_image([unlabeled], SimpleITKIO(), colors)
    assert problem == "has values from 4095 to 4095, but colors are expected as 0 to 255: save it with 8 bits"
    assert check_image([labeled], SimpleITKIO(), colors) == (None, None)
    grey = learn_expectation([(labeled,)], ["MRI"], SimpleITKIO())
    assert check_image([unlabeled], SimpleITKIO(), grey) == (None, None)


def test_other_image_formats_are_refused(slices, images):
    put_slice(images / "good.png")
    put_slice(images / "photo.jpg")
    refused(slices, images, r"photo\.jpg: the dataset's files end with \.png")


def test_two_files_of_one_case_are_refused(slices, images):
    put_slice(images / "x.png")
    put_slice(images / "x_0000.png")
    refused(slices, images, "case 'x' is also in")


@pytest.mark.parametrize("create", [False, True])
def test_nothing_to_add_is_an_error(slices, images, create):
    if create:
        (images / "readme.txt").write_text("")
    else:
        images.rmdir()
    refused(slices, images, r"no files ending with|is not a folder", FileNotFoundError)


def test_all_problems_are_counted_and_ten_shown(slices, images):
    for index in range(12):
        (images / f"bad{index:02d}.png").write_text("")
    with pytest.raises(ValueError, match="nothing was added; problems: 12") as error:
        add_unlabeled(slices, images)
    assert "bad09" in str(error.value)
    assert "bad10" not in str(error.value)
    assert str(error.value).endswith("and 2 more")


def test_many_images_are_read_by_several_processes(slices, images, monkeypatch):
    use_threads(monkeypatch)
    for index in range(MANY):
        put_slice(images / f"x{index:02d}.png")
    started = []
    work = module.results_of_workers
    monkeypatch.setattr(module, "results_of_workers", lambda *a: started.append(a[2]) or work(*a))
    for index in (7, 3):
        (images / f"x{index:02d}.png").write_text("")
    with pytest.raises(ValueError, match=r"problems: 2\n  case 'x03' cannot be read .*\n  case 'x07' cannot"):
        add_unlabeled(slices, images, num_processes=2)
    for index in (7, 3):
        put_slice(images / f"x{index:02d}.png")
    assert len(add_unlabeled(slices, images, num_processes=2).cases) == MANY
    assert started == [2, 2]


def test_no_memory_left_is_no_fault_of_the_image(tmp_path):
    class Reader(SimpleITKIO):
        def read_images(self, files):
            raise MemoryError

    with pytest.raises(MemoryError):
        check_image([tmp_path / "x_0000.png"], Reader(), Expectation(1, False))


@pytest.fixture
def two_channels(slices):
    """The slices' dataset with every image as two files."""
    for path in list((slices / "imagesTr").iterdir()):
        shutil.copy(path, path.with_name(path.name.replace("_0000.png", "_0001.png")))
    content = json.loads((slices / "dataset.json").read_text())
    content["channel_names"] = {"0": "a", "1": "b"}
    (slices / "dataset.json").write_text(json.dumps(content))
    return slices


def test_channels_in_files_of_their_own(two_channels, images):
    for name in ("x_0000.png", "x_0001.png"):
        put_slice(images / name)
    assert add_unlabeled(two_channels, images).cases == ["x"]
    assert {"x_0000.png", "x_0001.png"} <= set(names(two_channels / "imagesUn"))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["x_0001.png"], "case 'x': no file for channel 0000"),
        (["x.png"], "case 'x': no file for channel 0001"),
        (["x_0000.png", "x_0001.png", "x_0002.png"], r"x_0002\.png: the dataset has channels 0000 to 0001"),
    ],
)
def test_incomplete_channels_are_refused(two_channels, images, files, message):
    for name in files:
        put_slice(images / name)
    refused(two_channels, images, message)


def test_channels_of_different_size_are_refused(two_channels, images):
    put_slice(images / "x_0000.png")
    put_slice(images / "x_0001.png", (20, 30))
    refused(two_channels, images, "case 'x' cannot be read, or its channels differ")


def test_spacing_files_of_tiffs_count(raw_parent, images):
    dataset = raw_parent / "Dataset502_Tiff"
    for folder in ("imagesTr", "labelsTr"):
        (dataset / folder).mkdir(parents=True)
    header = {
        "channel_names": {"0": "x"},
        "labels": {"background": 0},
        "file_ending": ".tiff",
        "numTraining": 1,
    }
    (dataset / "dataset.json").write_text(json.dumps(header))
    volume = np.zeros((4, 5, 6), dtype=np.uint8)
    tifffile.imwrite(dataset / "imagesTr" / "a_0000.tiff", volume)
    (dataset / "imagesTr" / "a.json").write_text(json.dumps({"spacing": [1, 1, 1]}))
    tifffile.imwrite(dataset / "labelsTr" / "a.tiff", volume)
    tifffile.imwrite(images / "x.tiff", volume)
    (images / "x.json").write_text(json.dumps({"spacing": [9, 1, 1]}))
    assert "(9, 1, 1)" in add_unlabeled(dataset, images).warnings[0]
    assert names(dataset / "imagesUn") == ["x.json", "x_0000.tiff"]


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["nnUNetv2_semiseg_add_unlabeled", *map(str, arguments)])
    main()


def test_command_reports_and_warns(volumes, images, monkeypatch, capsys):
    put_volume(images / "coarse.nii.gz", spacing=(1.0, 1.0, 11.0))
    run(monkeypatch, "-d", 501, "-i", images, "--domain", "clinic", "--copy")
    captured = capsys.readouterr()
    assert "Added 1 unlabeled cases" in captured.out
    assert "warning: case 'coarse'" in captured.err


def test_command_ends_with_an_error(volumes, images, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, "-d", 501, "-i", images / "nowhere")
    assert "nowhere is not a folder" in capsys.readouterr().err
