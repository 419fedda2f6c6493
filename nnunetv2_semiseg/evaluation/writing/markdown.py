"""The results as Markdown."""

from __future__ import annotations

import pandas as pd

from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES, Measure
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.writing.tables import (
    MEANS,
    NOTHING_EMPTY,
    costs_table,
    costs_text,
    counts_table,
    differences_table,
    differences_text,
    means_table,
    means_title,
    prediction_folders,
    seeds_text,
)


def report_markdown(report: Report) -> str:
    """The whole report as a page of Markdown."""
    parts = [f"# {_escaped(report.dataset)}\n", _sources(report), "## Means\n", f"{MEANS}\n"]
    parts += [means_markdown(report, measure) for measure in MEASURES]
    if report.costs:
        parts += ["## Trainings\n", f"{costs_text(report)}\n", table_markdown(costs_table(report))]
    parts += ["## Empty and ignored\n", table_markdown(counts_table(report)) or f"{NOTHING_EMPTY}\n"]
    if report.comparisons:
        baseline, *others = report.models
        parts += ["## Differences\n", f"{differences_text(report, _escaped(baseline))}\n"]
        for model in others:
            parts.append(f"### {_escaped(model)}\n\n{table_markdown(differences_table(report, model))}")
    return "\n".join(parts)


def means_markdown(report: Report, measure: Measure) -> str:
    """Means of one measure with a title."""
    return f"### {means_title(report, measure)}\n\n{table_markdown(means_table(report, measure))}"


def table_markdown(table: pd.DataFrame) -> str:
    """A table of text; nothing where it has no rows.

    Args:
        table: Cells of text with names in the index, as the functions of `tables` make them.
    """
    if table.empty:
        return ""
    cells = table.reset_index(allow_duplicates=True).map(_escaped).rename(columns=_escaped)
    return f"{cells.to_markdown(index=False, tablefmt='github', disable_numparse=True)}\n"


def _sources(report: Report) -> str:
    lines = [f"- {_escaped(name)}: {_escaped(value)}" for name, value in report.conditions.items()]
    lines.append(f"- Reference: {_escaped(report.reference)}")
    for name, folders in prediction_folders(report).items():
        lines.append(f"- {_escaped(name)}: {_escaped(', '.join(folders))}")
    if report.left_out:
        lines.append(f"- Not measured, as not all folders have them: {_escaped(', '.join(report.left_out))}")
    seeds = seeds_text(report)
    return "\n".join(lines) + "\n" + (f"\n{seeds}\n" if seeds else "")


def _escaped(text: str) -> str:
    """A name that neither ends a cell nor a line."""
    return " ".join(text.replace("|", "\\|").split())
