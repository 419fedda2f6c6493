"""The results as Markdown."""

from __future__ import annotations

from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES, Measure
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.writing.rows import (
    MEANS,
    NOTHING_EMPTY,
    Table,
    cost_rows,
    costs_text,
    count_rows,
    difference_rows,
    differences_text,
    means_rows,
    means_title,
    seeds_text,
)


def report_markdown(report: Report) -> str:
    """The whole report as a page."""
    parts = [f"# {_escaped(report.dataset)}\n", _sources(report), "## Means\n", f"{MEANS}\n"]
    parts += [means_table(report, measure) for measure in MEASURES]
    if report.costs:
        parts += ["## Trainings\n", f"{costs_text(report)}\n", trainings_table(report)]
    parts += ["## Empty and ignored\n", counts_table(report) or f"{NOTHING_EMPTY}\n"]
    if report.comparisons:
        baseline = next(iter(report.models))
        parts += ["## Differences\n", f"{differences_text(report, _escaped(baseline))}\n"]
        parts += [_differences(report, model) for model in list(report.models)[1:]]
    return "\n".join(parts)


def means_table(report: Report, measure: Measure) -> str:
    """Means of one measure with a title; see `rows.means_rows`."""
    return f"### {means_title(report, measure)}\n\n" + _table(means_rows(report, measure))


def trainings_table(report: Report) -> str:
    """Dice, hours and memory; see `rows.cost_rows`."""
    return _table(cost_rows(report))


def counts_table(report: Report) -> str:
    """Cases that lack a class, see `rows.count_rows`; nothing where none does."""
    counts = count_rows(report)
    return _table(counts) if counts.rows else ""


def _sources(report: Report) -> str:
    lines = [f"- {_escaped(name)}: {_escaped(value)}" for name, value in report.conditions.items()]
    lines.append(f"- Reference: {_escaped(report.reference)}")
    for name, first in report.models.items():
        folders = [training.folder for training in report.seeds.get(name, ())] or [first]
        lines.append(f"- {_escaped(name)}: {_escaped(', '.join(folders))}")
    if report.left_out:
        lines.append(f"- Not measured, as not all folders have them: {_escaped(', '.join(report.left_out))}")
    seeds = seeds_text(report)
    return "\n".join(lines) + "\n" + (f"\n{seeds}\n" if seeds else "")


def _differences(report: Report, model: str) -> str:
    return f"### {_escaped(model)}\n\n" + _table(difference_rows(report, model))


def _table(table: Table) -> str:
    lines = [table.header, ("---",) * len(table.header), *table.rows]
    return "".join(f"| {' | '.join(map(_escaped, line))} |\n" for line in lines)


def _escaped(text: str) -> str:
    """A name that neither ends a cell nor a line."""
    return " ".join(text.replace("|", "\\|").split())
