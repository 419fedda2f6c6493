"""The whole page: everything inside, nothing to be fetched, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunetv2_semiseg import __version__
from nnunetv2_semiseg.evaluation.measuring.domains import ALL
from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES
from nnunetv2_semiseg.evaluation.results.history import FoldHistory
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.writing.page.boxes import box_plots
from nnunetv2_semiseg.evaluation.writing.page.curves import training_curves
from nnunetv2_semiseg.evaluation.writing.page.forest import difference_plots
from nnunetv2_semiseg.evaluation.writing.page.markup import (
    model_mark,
    paragraph,
    section,
    table,
    text,
    truth_mark,
)
from nnunetv2_semiseg.evaluation.writing.page.model_styles import Look, looks_of
from nnunetv2_semiseg.evaluation.writing.page.pictures import case_pictures
from nnunetv2_semiseg.evaluation.writing.page.scatter import scatter_plots
from nnunetv2_semiseg.evaluation.writing.page.style import CSS
from nnunetv2_semiseg.evaluation.writing.rows import (
    MEANS,
    NOTHING_EMPTY,
    cost_rows,
    costs_text,
    count_rows,
    difference_rows,
    differences_text,
    means_rows,
    means_title,
    seeds_text,
)

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Lets a browser fetch nothing, whatever a name might smuggle in."""

FOOTER = f"Written by nnunetv2_semiseg {__version__}. Unrounded numbers: report.json, scores.csv."


@dataclass(frozen=True)
class PageSources:
    """What the page shows beside the report.

    Attributes:
        dataset_json: Content of the dataset's dataset.json: labels, file ending.
        images: Folder of the images of the cases; it may be missing, which the page then says.
        trainings: Histories of the folds by model; empty: the page has no training curves.
    """

    dataset_json: Mapping[str, Any]
    images: Path
    trainings: Mapping[str, Sequence[FoldHistory]] = field(default_factory=dict)


def report_page(report: Report, sources: PageSources) -> str:
    """The report as one HTML page.

    Args:
        report: What to show. Its folders are looked into for the label maps of the pictures.
        sources: Where images and training curves come from.
    """
    looks = looks_of(report.models)
    sections = {
        "means": ("Means", _means(report, looks)),
        "trainings": ("Trainings", _trainings(report, looks)),
        "differences": ("Differences", _differences(report, looks)),
        "empty": ("Empty and ignored", _counts(report, looks)),
        "boxes": ("Box plots", box_plots(report, looks)),
        "cases": ("Case by case", scatter_plots(report, looks) if len(looks) > 1 else ""),
        "pictures": ("Worst and median cases", _pictures(report, sources, looks)),
        "training": ("Training curves", _curves(sources, looks)),
    }
    filled = {anchor: (title, body) for anchor, (title, body) in sections.items() if body}
    links = "\n".join(f'<a href="#{anchor}">{text(title)}</a>' for anchor, (title, _) in filled.items())
    parts = [section(anchor, title, body) for anchor, (title, body) in filled.items()]
    return _document(report.dataset, f"{_head(report, looks)}<nav>\n{links}\n</nav>\n{''.join(parts)}")


def _document(title: str, body: str) -> str:
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}: evaluation</title>
<style>
{CSS}</style>
</head>
<body>
{body}<footer>{FOOTER}</footer>
</body>
</html>
"""


def _head(report: Report, looks: Mapping[str, Look]) -> str:
    """Title, what was measured, and the key of the models."""
    numbers = _cases_by_domain(report)
    domains = ", ".join(f"{domain} {count}" for domain, count in numbers.items() if domain != ALL)
    facts = [
        f"{sum(numbers.values())} cases" + (f" ({domains})" if domains else ""),
        f"{_counted(len(report.classes), 'class', 'classes')}: {', '.join(report.classes)}",
        _counted(len(report.models), "model", "models"),
    ]
    marks = [(truth_mark(), report.reference)]
    for name, first in report.models.items():
        folders = [training.folder for training in report.seeds.get(name, ())] or [first]
        marks += [(model_mark(name, looks[name]), folder) for folder in folders]
    rows = "".join(
        f'<tr><td>{mark}</td><td class="path">{text(folder)}</td></tr>\n' for mark, folder in marks
    )
    header = '<tr><th scope="col">model</th><th scope="col">label maps</th></tr>'
    key = f'<div class="wide"><table>\n{header}\n{rows}</table></div>\n'
    parts = [f"<h1>{text(report.dataset)}</h1>\n", paragraph("; ".join(facts) + ".")]
    if report.conditions:
        common = "; ".join(f"{name}: {value}" for name, value in report.conditions.items())
        parts.append(paragraph(f"The same for all models: {common}."))
    parts.append(key)
    if report.seeds:
        parts.append(paragraph(seeds_text(report)))
    if report.left_out:
        missing = ", ".join(report.left_out)
        parts.append(paragraph(f"Not measured, as not all folders have them: {missing}", "missing"))
    return "".join(parts)


def _means(report: Report, looks: Mapping[str, Look]) -> str:
    notes = {domain: f"n = {count}" for domain, count in _cases_by_domain(report).items()}
    parts = [paragraph(MEANS)]
    for measure in MEASURES:
        parts += [f"<h3>{text(means_title(report, measure))}</h3>\n"]
        parts += [table(means_rows(report, measure), looks, notes)]
    return "".join(parts)


def _trainings(report: Report, looks: Mapping[str, Look]) -> str:
    costs = cost_rows(report)
    return paragraph(costs_text(report)) + table(costs, looks) if costs.rows else ""


def _differences(report: Report, looks: Mapping[str, Look]) -> str:
    """Nothing of one model."""
    baseline, *others = report.models
    if not others:
        return ""
    parts = [difference_plots(report, looks), paragraph(differences_text(report, baseline))]
    for model in others:
        parts += [
            f"<h3>{model_mark(model, looks[model])}</h3>\n",
            table(difference_rows(report, model), looks),
        ]
    return "".join(parts)


def _counts(report: Report, looks: Mapping[str, Look]) -> str:
    counts = count_rows(report)
    return table(counts, looks) if counts.rows else paragraph(NOTHING_EMPTY)


def _pictures(report: Report, sources: PageSources, looks: Mapping[str, Look]) -> str:
    return case_pictures(report, sources.dataset_json, sources.images, looks)


def _curves(sources: PageSources, looks: Mapping[str, Look]) -> str:
    return training_curves(sources.trainings, looks) if sources.trainings else ""


def _cases_by_domain(report: Report) -> dict[str, int]:
    cases = {(score.domain, score.case) for score in report.scores}
    return {domain: sum(found == domain for found, _ in cases) for domain in report.domains}


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
