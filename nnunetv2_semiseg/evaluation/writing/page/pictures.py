"""The chapter of worst and median cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.data.raw.reading import images_by_case
from nnunetv2_semiseg.evaluation.measuring.classes import foreground_classes
from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.writing.page.contours import case_picture, class_lines
from nnunetv2_semiseg.evaluation.writing.page.drawing import Picture
from nnunetv2_semiseg.evaluation.writing.page.model_styles import ModelStyle
from nnunetv2_semiseg.evaluation.writing.page.scenes import read_scene
from nnunetv2_semiseg.evaluation.writing.page.shown_cases import ShownCase, ranking_model, shown_cases
from nnunetv2_semiseg.evaluation.writing.tables import number

LINE_NAMES = {"-": "solid", "--": "dashed", ":": "dotted", "-.": "dash-dotted"}


@dataclass(frozen=True)
class CasePicture:
    """A shown case.

    Attributes:
        case: Which case it is, and why it is shown.
        dice: Dice of each class in %, as text by model.
        picture: Contours on the image; None where it cannot be drawn.
        problem: Reason why there is no picture; empty where there is one.
    """

    case: ShownCase
    dice: dict[str, str]
    picture: Picture | None = None
    problem: str = ""


@dataclass(frozen=True)
class CasePictures:
    """The chapter.

    Attributes:
        model: Name of the model whose worst and median cases are shown.
        missing: Reason why there are no images at all; empty where there are.
        lines: Line of each class in words, by the name of the class.
        cases: All shown cases.
    """

    model: str
    missing: str = ""
    lines: dict[str, str] = field(default_factory=dict)
    cases: tuple[CasePicture, ...] = ()

    @property
    def alike(self) -> bool:
        """Whether the lines don't tell the classes apart."""
        return len(set(self.lines.values())) < len(self.lines)


def case_pictures(
    report: Report, dataset_json: Mapping[str, Any], images: Path, styles: Mapping[str, ModelStyle]
) -> CasePictures:
    """Draw the worst and the median case of each domain.

    Args:
        report: Report of an evaluation, whose folders are looked into for the label maps.
        dataset_json: Content of the dataset's dataset.json: labels, file ending.
        images: Folder of the images; it may be missing, which the result then says.
        styles: Styles of the models.
    """
    ending = dataset_json["file_ending"]
    files = images_by_case(images, ending)
    if not files:
        missing = f"has no images named CASE_0000{ending}" if images.is_dir() else "is no folder"
        return CasePictures(ranking_model(report), f"{images} {missing}")
    classes = foreground_classes(dataset_json["labels"])
    lines = {entry.name: LINE_NAMES[line] for entry, line in zip(classes, class_lines(classes), strict=True)}

    def draw(shown: ShownCase) -> CasePicture:
        dice = {model: _describe_dice(report, model, shown.case) for model in styles}
        folders = (report.reference, *report.models.values())
        labels = [Path(folder) / f"{shown.case}{ending}" for folder in folders]
        try:
            planes = read_scene(_image(files, shown.case, images), labels, dataset_json)
        except UserError as error:  # a picture less is no reason to lose the measures
            return CasePicture(shown, dice, problem=str(error))
        return CasePicture(shown, dice, case_picture(shown.case, planes, classes, styles))

    return CasePictures(ranking_model(report), lines=lines, cases=tuple(map(draw, shown_cases(report))))


def _image(files: Mapping[str, Sequence[Path]], case: str, images: Path) -> Sequence[Path]:
    if case not in files:
        raise UserError(f"{images} has no image of it")
    return files[case]


def _describe_dice(report: Report, model: str, case: str) -> str:
    """``disc 81.3, cup 70.0``."""
    dice = MEASURES[0]
    return ", ".join(
        f"{score.label} {number(score.values[dice.name], dice)}"
        for score in report.scores
        if (score.model, score.case) == (model, case)
    )
