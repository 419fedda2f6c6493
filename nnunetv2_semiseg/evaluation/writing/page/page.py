"""The report as one HTML page that holds everything it shows and runs no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from nnunetv2_semiseg import __version__
from nnunetv2_semiseg.evaluation.measuring.domains import ALL
from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES
from nnunetv2_semiseg.evaluation.results.history import FoldHistory
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.writing import tables
from nnunetv2_semiseg.evaluation.writing.page.boxes import box_plots
from nnunetv2_semiseg.evaluation.writing.page.curves import training_curves
from nnunetv2_semiseg.evaluation.writing.page.forest import SHOWN, difference_plot
from nnunetv2_semiseg.evaluation.writing.page.model_styles import TRUTH_COLOR, model_styles
from nnunetv2_semiseg.evaluation.writing.page.pictures import case_pictures
from nnunetv2_semiseg.evaluation.writing.page.scatter import scatter_plots

TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class PageSources:
    """Sources of what the page shows beside the report.

    Attributes:
        dataset_json: Content of the dataset's dataset.json: labels, file ending.
        images: Folder with the images of the cases; if it is missing, the page says so.
        trainings: Histories of the folds by name of the model; empty: the page has no training curves.
    """

    dataset_json: Mapping[str, Any]
    images: Path
    trainings: Mapping[str, Sequence[FoldHistory]] = field(default_factory=dict)


def report_page(report: Report, sources: PageSources) -> str:
    """The report as one HTML page.

    Args:
        report: Report of an evaluation, in whose folders the label maps of the pictures are read.
        sources: Images and training histories.
    """
    styles = model_styles(report.models)
    baseline, *others = report.models
    cases = _cases_by_domain(report)
    return _template().render(
        version=__version__,
        report=report,
        styles=styles,
        truth_color=TRUTH_COLOR,
        facts=_facts(report, cases),
        case_counts={domain: f"n = {count}" for domain, count in cases.items()},
        prediction_folders=tables.prediction_folders(report),
        baseline=baseline,
        main_measure=SHOWN.title,
        texts={
            "means": tables.MEANS,
            "nothing_empty": tables.NOTHING_EMPTY,
            "seeds": tables.seeds_text(report),
            "costs": tables.costs_text(report),
            "differences": tables.differences_text(report, baseline),
        },
        means={
            tables.means_title(report, measure): tables.means_table(report, measure) for measure in MEASURES
        },
        costs=tables.costs_table(report),
        counts=tables.counts_table(report),
        difference_plot=difference_plot(report, styles) if others else None,
        differences={model: tables.differences_table(report, model) for model in others},
        box_plots=box_plots(report, styles),
        scatter_plots=scatter_plots(report, styles),
        pictures=case_pictures(report, sources.dataset_json, sources.images, styles),
        curves=training_curves(sources.trainings, styles) if sources.trainings else None,
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE)


def _facts(report: Report, cases: Mapping[str, int]) -> list[str]:
    """What was measured, in words."""
    domains = ", ".join(f"{domain} {count}" for domain, count in cases.items() if domain != ALL)
    return [
        f"{sum(cases.values())} cases" + (f" ({domains})" if domains else ""),
        f"{_counted(len(report.classes), 'class', 'classes')}: {', '.join(report.classes)}",
        _counted(len(report.models), "model", "models"),
    ]


def _cases_by_domain(report: Report) -> dict[str, int]:
    cases = {(score.domain, score.case) for score in report.scores}
    return {domain: sum(found == domain for found, _ in cases) for domain in report.domains}


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
