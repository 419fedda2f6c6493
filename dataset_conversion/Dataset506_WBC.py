r"""White blood cells of two sources: nucleus and cytoplasm.

Data: Zheng et al., "Fast and Robust Segmentation of White Blood Cell Images by Self-supervised Learning",
Micron 2018 (https://github.com/zxaoyou/segmentation_WBC, with its terms of use). Its two sets are the two
domains: single cells on a bright ground (300 images of about 120x120 pixels) and smears full of red cells
(100 of 300x300). Small and with a clear shift: the set for comparisons on a CPU. Resize to
128x128: at their native sizes the cells of the smears are several times larger than the single ones.

Expected below the input folder: DomainN/{image,mask}/NAME.png. Values of a mask: 0 background, 128
cytoplasm, 255 nucleus. The release has no split: the last fifth of each domain by name are test cases.

Example, 20 labeled smears and single cells without labels:
    python dataset_conversion/Dataset506_WBC.py -i wbc --labeled-domain domain2 --num-labeled 20 --size 128
"""

from __future__ import annotations

from pathlib import Path

from nnunetv2_semiseg.commands.conversion import run_converter
from nnunetv2_semiseg.data.conversion.png_releases import PngLayout, grey
from nnunetv2_semiseg.data.conversion.release import ConversionOptions, Release, SourceCase, convert_release
from nnunetv2_semiseg.data.conversion.splits import last_fifth


class UnsplitLayout(PngLayout):
    """``DOMAIN/{image,mask}/NAME.png`` without folders for training and test."""

    @property
    def expected(self) -> str:
        """The layout in words."""
        return "DOMAIN/{image,mask}/NAME.png"

    def accepts(self, source: Path) -> bool:
        """Whether any folder has images in this layout."""
        return any(source.glob("*/image/*.png"))

    def scan(self, source: Path) -> list[SourceCase]:
        """All cases, by domain and name."""
        folders = sorted({path.parent.parent for path in source.glob("*/image/*.png")})
        return [case for folder in folders for case in _scan_domain(folder)]


def _scan_domain(folder: Path) -> list[SourceCase]:
    images = {path.stem: path for path in sorted((folder / "image").glob("*.png"))}
    held_out = last_fifth(list(images))
    masks = {stem: folder / "mask" / path.name for stem, path in images.items()}
    return [
        SourceCase(
            folder.name,
            stem,
            "test" if stem in held_out else "train",
            image,
            (masks[stem],) if masks[stem].is_file() else (),
        )
        for stem, image in images.items()
    ]


RELEASE = Release(
    name="WBC",
    layouts=(UnsplitLayout(mode="RGB", codes={grey(0): 0, grey(128): 1, grey(255): 2}),),
    channel_names=("R", "G", "B"),
    labels=("background", "cytoplasm", "nucleus"),
    reference="Zheng et al., Micron 2018",
    license="see https://github.com/zxaoyou/segmentation_WBC",
)


def convert(options: ConversionOptions, raw_folder: Path) -> Path:
    """Write the dataset; see `convert_release` for arguments and errors."""
    return convert_release(RELEASE, options, raw_folder)


if __name__ == "__main__":
    run_converter(convert, 506, __doc__)
