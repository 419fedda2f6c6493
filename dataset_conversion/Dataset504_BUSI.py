r"""Lesions in breast ultrasound; the domains are benign and malignant ones.

Data: BUSI (Al-Dhabyani et al., "Dataset of breast ultrasound images", Data in Brief 2020;
https://scholar.cu.edu.eg/?q=afahmy/pages/dataset), under the terms stated there.

Expected below the input folder: benign/ and malignant/ with "benign (1).png", its mask "benign (1)_mask.png"
and, where there are several lesions, "benign (1)_mask_1.png" and so on, which are joined. Images of the
folder normal/ have no lesion and are left out. Values of a mask: 0 background, 255 lesion. Label written: 1
lesion. Images become grey.

There is no official split: of each domain the last 20 % by number (2 comes before 10) are test data. An image
without a mask is used as unlabeled and never chosen as labeled; among the test data it is an error.

Example, the setting of SynFoC:
    python dataset_conversion/Dataset504_BUSI.py -i Dataset_BUSI_with_GT \
        --labeled-domain benign --num-labeled 64 --size 256
"""

from __future__ import annotations

import re
from pathlib import Path

from nnunetv2_semiseg.commands.conversion import run_converter
from nnunetv2_semiseg.data.conversion.png_releases import PngLayout, grey
from nnunetv2_semiseg.data.conversion.release import ConversionOptions, Release, SourceCase, convert_release
from nnunetv2_semiseg.data.conversion.splits import last_fifth

DOMAINS = ("benign", "malignant")


class BusiLayout(PngLayout):
    """``DOMAIN/DOMAIN (N).png`` with ``DOMAIN (N)_mask.png``, ``DOMAIN (N)_mask_1.png``, ..."""

    @property
    def expected(self) -> str:
        """The layout in words."""
        return "{benign,malignant}/{benign,malignant} (N).png"

    def accepts(self, source: Path) -> bool:
        """Whether both domains have images."""
        return all(_images(source / domain) for domain in DOMAINS)

    def scan(self, source: Path) -> list[SourceCase]:
        """All cases, by domain and number."""
        return [case for domain in DOMAINS for case in _scan_domain(source / domain)]


def _scan_domain(folder: Path) -> list[SourceCase]:
    images = _images(folder)
    held_out = last_fifth(list(images))
    return [
        SourceCase(folder.name, stem, "test" if stem in held_out else "train", image, _masks(image))
        for stem, image in sorted(images.items())
    ]


def _images(folder: Path) -> dict[str, Path]:
    """Images by their number, padded with zeros so that the order by name is the order by number."""
    pattern = re.compile(rf"{folder.name} \((\d+)\)\.png")
    matches = {path: pattern.fullmatch(path.name) for path in folder.glob("*.png")}
    return {f"{int(match[1]):04d}": path for path, match in matches.items() if match}


def _masks(image: Path) -> tuple[Path, ...]:
    pattern = re.compile(rf"{re.escape(image.stem)}_mask(_\d+)?\.png")
    return tuple(sorted(path for path in image.parent.glob("*.png") if pattern.fullmatch(path.name)))


RELEASE = Release(
    name="BUSI",
    layouts=(BusiLayout(mode="L", codes={grey(0): 0, grey(255): 1}),),
    channel_names=("ultrasound",),
    labels=("background", "lesion"),
    reference="Al-Dhabyani et al., Data in Brief 2020",
    license="see https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
)


def convert(options: ConversionOptions, raw_folder: Path) -> Path:
    """Write the dataset; see `convert_release` for arguments and errors."""
    return convert_release(RELEASE, options, raw_folder)


if __name__ == "__main__":
    run_converter(convert, 504, __doc__)
