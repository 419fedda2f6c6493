"""The chapter of worst and median cases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.data.raw.reading import images_by_case
from nnunetv2_semiseg.evaluation.measuring.classes import LabelClass, foreground_classes
from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.writing.page.contours import case_picture, class_lines
from nnunetv2_semiseg.evaluation.writing.page.markup import figure, model_mark, paragraph, text
from nnunetv2_semiseg.evaluation.writing.page.model_styles import Look
from nnunetv2_semiseg.evaluation.writing.page.scenes import read_scene
from nnunetv2_semiseg.evaluation.writing.page.shown_cases import ChosenCase, choosing_model, chosen_cases
from nnunetv2_semiseg.evaluation.writing.rows import number

LINE_NAMES = {"-": "solid", "--": "dashed", ":": "dotted", "-.": "dash-dotted"}

CHOSEN = (
    "Of each domain, the cases with the lowest and with the median Dice{mean} of the last "
    "model, {model}. As they are chosen by this model, its worst cases are often less bad for the others."
)

DRAWN = (
    "Contours: the truth is yellow, the model has its color ({lines}); where classes touch, their lines lie "
    "on each other. The picture is cut out around all of them. Of a volume, the slice of each axis with most "
    "foreground in all label maps is shown, the first slice of the file at the bottom of the others."
)

OF_SEEDS = "The contours are of each model's first training; Dice is the mean over its trainings."

NO_IMAGES = "There are no images to show: {}. Name their folder by -i."


def case_pictures(
    report: Report, dataset_json: Mapping[str, Any], images: Path, looks: Mapping[str, Look]
) -> str:
    """A figure for each chosen case, or a line that says why there is none."""
    ending = dataset_json["file_ending"]
    files = images_by_case(images, ending)
    if not files:
        missing = (
            f"{images} has no files ending with {ending}" if images.is_dir() else f"{images} is no folder"
        )
        return paragraph(NO_IMAGES.format(missing), "missing")
    classes = foreground_classes(dataset_json["labels"])
    model = choosing_model(report)
    mean = " (mean of classes)" if len(classes) > 1 else ""
    intro = f"<p>{text(CHOSEN).format(mean=mean, model=model_mark(model, looks[model]))}</p>\n"
    parts = [intro, paragraph(DRAWN.format(lines=_lines(classes)))]
    if report.seeds:
        parts.append(paragraph(OF_SEEDS))
    for chosen in chosen_cases(report):
        labels = [
            Path(folder) / f"{chosen.case}{ending}" for folder in (report.reference, *report.models.values())
        ]
        try:
            if chosen.case not in files:
                raise UserError(f"{images} has no image of it")
            planes = read_scene(files[chosen.case], labels, dataset_json)
            picture = case_picture(planes, classes, looks)
        except ValueError as error:  # a picture less is no reason to lose the measures
            parts.append(
                paragraph(f"{chosen.domain}, {chosen.why}, {chosen.case}: no picture, {error}", "missing")
            )
            continue
        description = f"{chosen.case} with contours of the truth and of {', '.join(report.models)}"
        parts.append(figure(picture, description, _caption(report, chosen, looks)))
    return "".join(parts)


def _caption(report: Report, chosen: ChosenCase, looks: Mapping[str, Look]) -> str:
    """Where the case stands, and each model's Dice."""
    dice = MEASURES[0]
    values = []
    for model, look in looks.items():
        shown = [
            f"{score.label} {number(score.values[dice.name], dice)}"
            for score in report.scores
            if (score.model, score.case) == (model, chosen.case)
        ]
        values.append(f"{model_mark(model, look)} {text(', '.join(shown))}")
    title = f"<strong>{text(chosen.domain)}, {text(chosen.why)}</strong>: {text(chosen.case)}"
    return f"{title}<br>Dice in %: {'; '.join(values)}"


def _lines(classes: list[LabelClass]) -> str:
    """Which line stands for which class."""
    lines = class_lines(classes)
    if len(set(lines)) < len(lines):
        return "all classes alike"
    return ", ".join(f"{LINE_NAMES[line]}: {entry.name}" for entry, line in zip(classes, lines, strict=True))
