r"""Optic cup and disc in retinal fundus photographs of four centres.

Data: the "Fundus" release of DoFE (Wang et al., "DoFE: Domain-oriented Feature Embedding for Generalizable
Fundus Image Segmentation on Unseen Datasets", IEEE TMI 2020; https://github.com/emma-sjwang/Dofe). Domain1 is
Drishti-GS, Domain2 RIM-ONE-r3, Domain3 REFUGE's training and Domain4 REFUGE's validation images; each of
these data sets has terms of its own; see its publisher.

Expected below the input folder: DomainN/{train,test}/ROIs/{image,mask}/NAME.png. Values of a mask: 0 optic
cup, 128 the disc's rim, 255 background. Labels written: 1 cup, 2 disc rim. The optic DISC of the literature
is rim and cup together: join labels 1 and 2 before you compare numbers with papers.

Example, the setting of SynFoC:
    python dataset_conversion/Dataset501_Fundus.py -i Fundus \
        --labeled-domain Domain1 --num-labeled 20 --size 256
"""

from __future__ import annotations

from pathlib import Path

from nnunetv2_semiseg.commands.conversion import run_converter
from nnunetv2_semiseg.data.conversion.png_releases import PngLayout, grey
from nnunetv2_semiseg.data.conversion.release import ConversionOptions, Release, convert_release

RELEASE = Release(
    name="Fundus",
    layouts=(PngLayout(mode="RGB", inner="ROIs", codes={grey(255): 0, grey(0): 1, grey(128): 2}),),
    channel_names=("R", "G", "B"),
    labels=("background", "cup", "disc rim"),
    reference="Wang et al., IEEE TMI 2020 (DoFE); Drishti-GS, RIM-ONE-r3, REFUGE",
    license="see the terms of Drishti-GS, RIM-ONE-r3 and REFUGE",
)


def convert(options: ConversionOptions, raw_folder: Path) -> Path:
    """Write the dataset; see `convert_release` for arguments and errors."""
    return convert_release(RELEASE, options, raw_folder)


if __name__ == "__main__":
    run_converter(convert, 501, __doc__)
