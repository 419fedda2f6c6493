"""Small raw datasets to be merged."""

from __future__ import annotations

import json

import numpy as np
import SimpleITK as sitk

SPACING, ORIGIN, DIRECTION = (0.5, 0.6, 3.0), (7.0, -8.0, 9.0), (-1, 0, 0, 0, -1, 0, 0, 0, 1)
SHAPE = (3, 4, 5)


def write_volume(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = sitk.GetImageFromArray(np.asarray(array))
    volume.SetSpacing(SPACING)
    volume.SetOrigin(ORIGIN)
    volume.SetDirection(DIRECTION)
    sitk.WriteImage(volume, str(path))


def read(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def content(folder):
    return json.loads((folder / "dataset.json").read_text())


class Source:
    """Writes a raw dataset."""

    def __init__(self, parent, name, structures, ending=".nii.gz", channels=("CT",), **more):
        self.folder = parent / name
        self.ending, self.channels = ending, channels
        self.folder.mkdir(parents=True)
        self.json = {
            "channel_names": {str(index): channel for index, channel in enumerate(channels)},
            "labels": {"background": 0, **structures},
            "file_ending": ending,
            "numTraining": 0,
            **more,
        }
        self.rewrite()

    def rewrite(self, **changes):
        self.json |= changes
        (self.folder / "dataset.json").write_text(json.dumps(self.json))

    def case(self, name, label=None, images="imagesTr", labels="labelsTr"):
        """A case; its label is an array, or values in turn."""
        shape = SHAPE
        if label is not None:
            label = np.asarray(label, dtype=np.uint8)
            label = label if label.ndim == 3 else np.resize(label, SHAPE)
            shape = label.shape
            write_volume(self.folder / labels / f"{name}{self.ending}", label)
        for channel in range(len(self.channels)):
            values = np.full(shape, channel, dtype=np.int16)
            write_volume(self.folder / images / f"{name}_{channel:04d}{self.ending}", values)
        return self


def pancreas(parent, name="Dataset511_Pancreas", **more):
    """A dataset with a test case, two labeled and one unlabeled one."""
    source = Source(parent, name, {"pancreas": 1, "tumour": 2}, **more)
    source.case("a", [0, 1, 2]).case("b", [0, 2, 2, 1]).case("u", images="imagesUn")
    return source.case("t", [0, 0, 1, 2], "imagesTs", "labelsTs")


def spleen(parent, name="Dataset512_Spleen", **more):
    """A dataset with one labeled case."""
    return Source(parent, name, {"spleen": 1}, **more).case("a", [1, 0])
