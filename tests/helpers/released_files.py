"""Small files in the layouts of the releases, and a look at what was made of them."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk
from PIL import Image

from nnunetv2_semiseg.data.conversion.release import ConversionOptions

SIZE = (20, 30)
"""Height and width of the images."""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def labels(path):
    """The labels of a written mask from top to bottom, each once."""
    column = np.asarray(Image.open(path))[:, 0]
    return [int(column[0]), *(int(b) for a, b in itertools.pairwise(column) if a != b)]


def patients(folder):
    """Patients in a folder of converted ACDC, each once."""
    return sorted({name.split("_")[1] for name in names(folder)}) if folder.is_dir() else []


def read_values(path):
    """The voxels of a volume or of a slice."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def options(source, domain, count=1, **more):
    return ConversionOptions(source=source, labeled_domain=domain, num_labeled=count, dataset_id=501, **more)


class Release:
    """Writers of small files in the layouts of the releases."""

    @staticmethod
    def png(path, fill=0, mode="L", size=SIZE):
        """An image of one colour; returns its path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size[::-1], fill).save(path)
        return path

    @staticmethod
    def mask(path, values, size=SIZE):
        """A mask of one horizontal stripe for each value (a grey value or a colour)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        stripes = [np.array(values[row * len(values) // size[0]], dtype=np.uint8) for row in range(size[0])]
        Image.fromarray(np.repeat(np.stack(stripes)[:, None], size[1], axis=1)).save(path)
        return path

    @staticmethod
    def volume(path, values=(0,), spacing=(0.5, 0.6, 3.0), shape=(4, 6, 8)):
        """A volume whose slices have the values in turn."""
        path.parent.mkdir(parents=True, exist_ok=True)
        array = np.zeros(shape, dtype=np.int16)
        for index in range(shape[0]):
            array[index] = values[index % len(values)]
        volume = sitk.GetImageFromArray(array)
        volume.SetSpacing(spacing)
        sitk.WriteImage(volume, str(path))
        return path
