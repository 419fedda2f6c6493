"""The results as Markdown, to be read: rounded, overlaps in percent."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nnunetv2_semiseg.evaluation.comparison import Comparison
from nnunetv2_semiseg.evaluation.measures import MEASURES, Measure
from nnunetv2_semiseg.evaluation.report import Report
from nnunetv2_semiseg.evaluation.summary import Spread, Summary

UNDEFINED = "-"

NOTHING_EMPTY = "Every case has every class, and so has every prediction.\n"

MEANS = """\
Mean ± standard deviation over cases; of the mean of domains, over the domains. Where not all cases have a
value, the number of those that have stands in brackets. A class that is only predicted or only in
the reference has overlap 0 and no distance; one that is in neither counts for nothing.
"""

DIFFERENCES = """\
Mean of the paired differences to {baseline}, its {confidence:g} % interval (percentile bootstrap, {resamples}
resamples of cases, seed {seed}), p-value of Wilcoxon's signed-rank test (two-sided, not corrected for the
number of comparisons), and the number of pairs. More is better for Dice and Jaccard, less for HD95 and ASD.
"""


def report_markdown(report: Report) -> str:
    """The whole report as a page."""
    parts = [f"# {_escaped(report.dataset)}\n", _sources(report), "## Means\n", MEANS]
    parts += [means_table(report, measure) for measure in MEASURES]
    parts += ["## Empty and ignored\n", counts_table(report)]
    if report.comparisons:
        baseline = next(iter(report.models))
        text = DIFFERENCES.format(
            baseline=_escaped(baseline),
            confidence=100 * report.confidence,
            resamples=report.resamples,
            seed=report.seed,
        )
        parts += ["## Differences\n", text]
        parts += [_differences(report, model) for model in list(report.models)[1:]]
    return "\n".join(parts)


def means_table(report: Report, measure: Measure) -> str:
    """Means of one measure: a row for each class and model, a column for each domain."""
    domains = list(dict.fromkeys(summary.domain for summary in report.summaries))
    rows: dict[tuple[str, str], list[str]] = {}
    for summary in _by_class(report.summaries):
        row = rows.setdefault((summary.label, summary.model), [summary.label, summary.model])
        # of the mean of domains, the domains are what is counted
        cases = summary.cases if summary.domain in report.domains else None
        row.append(_mean(summary.values[measure.name], cases, measure))
    title = f"### {measure.title} in {_unit(report, measure)}\n\n"
    return title + _table(["class", "model", *domains], list(rows.values()))


def counts_table(report: Report) -> str:
    """How many cases of each domain lack a class; rows without any are left out."""
    header = ["class", "model", "domain", "cases", "empty predictions", "empty references", "both empty"]
    rows = [
        [
            summary.label,
            summary.model,
            summary.domain,
            *map(str, (summary.cases, summary.empty_predictions, summary.empty_references, summary.absent)),
            str(summary.partly_ignored),
        ]
        for summary in _by_class(report.summaries)
        if summary.empty_predictions or summary.empty_references or summary.absent or summary.partly_ignored
    ]
    return _table([*header, "partly ignored"], rows) if rows else NOTHING_EMPTY


def _by_class(summaries: Sequence[Summary]) -> list[Summary]:
    """The models of each class one below the other."""
    order = list(dict.fromkeys(summary.label for summary in summaries))
    return sorted(summaries, key=lambda summary: order.index(summary.label))


def _sources(report: Report) -> str:
    lines = [f"- Reference: {_escaped(report.reference)}"]
    lines += [f"- {_escaped(name)}: {_escaped(folder)}" for name, folder in report.models.items()]
    if report.left_out:
        lines.append(f"- Not measured, as not all folders have them: {_escaped(', '.join(report.left_out))}")
    return "\n".join(lines) + "\n"


def _differences(report: Report, model: str) -> str:
    """A row for each class and domain, a column for each measure."""
    rows: dict[tuple[str, str], list[str]] = {}
    for entry in report.comparisons:
        if entry.model == model:
            row = rows.setdefault((entry.label, entry.domain), [entry.label, entry.domain])
            measure = next(measure for measure in MEASURES if measure.name == entry.measure)
            row.append(_difference(entry, measure))
    titles = [f"{measure.title}, {_unit(report, measure)}" for measure in MEASURES]
    return f"### {_escaped(model)}\n\n" + _table(["class", "domain", *titles], list(rows.values()))


def _mean(value: Spread, cases: int | None, measure: Measure) -> str:
    text = _number(value.mean, measure)
    if not math.isnan(value.std):
        text += f" ± {_number(value.std, measure)}"
    return text if cases in (None, value.count) else f"{text} ({value.count} of {cases})"


def _difference(entry: Comparison, measure: Measure) -> str:
    if math.isnan(entry.difference):
        return f"{UNDEFINED} (n = {entry.pairs})"
    low, high = (_number(value, measure, "+") for value in (entry.low, entry.high))
    p_value = UNDEFINED if math.isnan(entry.p_value) else f"{entry.p_value:.2g}"
    interval = UNDEFINED if math.isnan(entry.low) else f"{low} to {high}"
    return f"{_number(entry.difference, measure, '+')} [{interval}], p = {p_value} (n = {entry.pairs})"


def _number(value: float, measure: Measure, sign: str = "") -> str:
    if math.isnan(value):
        return UNDEFINED
    return format(value, f"{sign}.2f") if measure.is_distance else format(100 * value, f"{sign}.1f")


def _unit(report: Report, measure: Measure) -> str:
    return report.unit if measure.is_distance else "%"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(_escaped, line))} |\n" for line in lines)


def _escaped(text: str) -> str:
    """A name that neither ends a cell nor a line."""
    return " ".join(text.replace("|", "\\|").split())
