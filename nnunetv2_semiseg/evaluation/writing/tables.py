"""The results as tables of text for readers: rounded, overlaps in percent."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES, Measure
from nnunetv2_semiseg.evaluation.results.costs import TrainingCost
from nnunetv2_semiseg.evaluation.results.differences import Difference
from nnunetv2_semiseg.evaluation.results.report import Report
from nnunetv2_semiseg.evaluation.results.seeds import overall_dice
from nnunetv2_semiseg.evaluation.results.statistics import FEWEST_TO_RESAMPLE, T_INTERVAL
from nnunetv2_semiseg.evaluation.results.summary import Spread, Summary, spread

Rows = dict[tuple[str, ...], list[str]]
"""Cells of each row by the row's names."""

UNDEFINED = "-"

NOTHING_EMPTY = "Every case has every class, and so has every prediction."

MEANS = """\
Mean ± standard deviation over cases; of the mean of domains, over the domains. Where not all cases have a
value, the number of those that have stands in brackets. A class that is only predicted or only in
the reference has overlap 0 and no distance; one that is in neither counts for nothing."""

DIFFERENCES = """\
Mean of the paired differences to {baseline}, its {confidence:g} % interval (percentile bootstrap, {resamples}
resamples of cases, seed {seed}; where marked t, Student's t interval, as a domain has fewer than {fewest}
pairs, too few for a bootstrap), p-value of Wilcoxon's signed-rank test (two-sided, not corrected for the
number of comparisons), and the number of pairs. More is better for Dice and Jaccard, less for HD95 and ASD.
Where cases are slices of one patient, intervals are too narrow and p-values too small."""

SEEDS = """\
Every model was trained {count} times, with other seeds. The score of a case is the mean over these trainings,
of those in which the case or the prediction has the class. A case counts as empty where it is in any of them.
The intervals say what other cases would change; what another seed changes, the table of trainings shows."""

COSTS = """\
Hours are those of all epochs, with the validation batches after each and without preprocessing and the final
validation; of several seeds, their mean. Memory is the highest in GiB: of tensors on the GPU, and of the
training's own process without those that augment images. Networks of one training share its cost. Dice is the
mean of domains and classes{seeds}."""

CLASS, MODEL, DOMAIN = "class", "model", "domain"
"""Titles of names, which are the index of a table."""


def means_title(report: Report, measure: Measure) -> str:
    """Title of a table of means, such as ``Dice in %``."""
    return f"{measure.title} in {unit(report, measure)}"


def means_table(report: Report, measure: Measure) -> pd.DataFrame:
    """Means of one measure: a row for each class and model, a column for each domain."""
    domains = list(dict.fromkeys(summary.domain for summary in report.summaries))
    rows: Rows = {}
    for summary in _by_class(report.summaries):
        # of the mean of domains, the domains are what is counted
        cases = summary.cases if summary.domain in report.domains else None
        cell = _mean(summary.values[measure.name], cases, measure)
        rows.setdefault((summary.label, summary.model), []).append(cell)
    return _table([CLASS, MODEL], domains, rows)


def counts_table(report: Report) -> pd.DataFrame:
    """Numbers of cases that lack a class, a row for each class, model and domain with such cases."""
    titles = ["cases", "empty predictions", "empty references", "both empty", "partly ignored"]
    rows: Rows = {}
    for summary in _by_class(report.summaries):
        lacking = (summary.empty_predictions, summary.empty_references, summary.absent)
        counts = (summary.cases, *lacking, summary.partly_ignored)
        if any(counts[1:]):
            rows[summary.label, summary.model, summary.domain] = list(map(str, counts))
    return _table([CLASS, MODEL, DOMAIN], titles, rows)


def differences_table(report: Report, model: str) -> pd.DataFrame:
    """Differences of a model to the first: a row for each class and domain, a column for each measure."""
    rows: Rows = {}
    for entry in report.comparisons:
        if entry.model == model:
            measure = next(measure for measure in MEASURES if measure.name == entry.measure)
            rows.setdefault((entry.label, entry.domain), []).append(_difference(entry, measure))
    titles = [f"{measure.title}, {unit(report, measure)}" for measure in MEASURES]
    return _table([CLASS, DOMAIN], titles, rows)


def seeds_text(report: Report) -> str:
    """A note that scores are means over trainings; empty if no model was trained several times."""
    counts = {len(trainings) for trainings in report.seeds.values()}
    return SEEDS.format(count=" or ".join(map(str, sorted(counts)))) if counts else ""


def costs_table(report: Report) -> pd.DataFrame:
    """Dice, hours and memory: a row for each model; no rows where no training is known."""
    dice = MEASURES[0]
    rows: Rows = {}
    for model in report.models if report.costs else ():
        values = [result.dice for result in report.seeds.get(model, ())]
        mean = overall_dice([summary for summary in report.summaries if summary.model == model])
        over = spread(values) if values else Spread(mean, math.nan, 1)
        cost = report.costs.get(model, TrainingCost(math.nan, math.nan, math.nan))
        seeds = [", ".join(number(value, dice) for value in values)] if report.seeds else []
        costs = map(_three_digits, (cost.hours, cost.gpu, cost.process))
        rows[model,] = [_mean(over, None, dice), *seeds, *costs]
    title = ["of each seed"] if report.seeds else []
    return _table([MODEL], ["Dice in %", *title, "training in h", "GPU in GiB", "process in GiB"], rows)


def costs_text(report: Report) -> str:
    """Explanation of the numbers in `costs_table`."""
    return COSTS.format(seeds=", with its standard deviation between seeds" if report.seeds else "")


def differences_text(report: Report, baseline: str) -> str:
    """Explanation of the numbers in `differences_table`.

    Args:
        report: Report with differences.
        baseline: Name of the first model as the page writes it.
    """
    return DIFFERENCES.format(
        baseline=baseline,
        confidence=100 * report.confidence,
        resamples=report.resamples,
        seed=report.seed,
        fewest=FEWEST_TO_RESAMPLE,
    )


def unit(report: Report, measure: Measure) -> str:
    """The unit of a measure's numbers in the tables."""
    return report.unit if measure.is_distance else "%"


def number(value: float, measure: Measure, sign: str = "") -> str:
    """A value of a measure as text for tables.

    Args:
        value: Value of the measure; NaN becomes `UNDEFINED`.
        measure: The measure, which decides about unit and decimals.
        sign: ``+`` for a difference, so that gains have a sign too.
    """
    if math.isnan(value):
        return UNDEFINED
    return format(value, f"{sign}.2f") if measure.is_distance else format(100 * value, f"{sign}.1f")


def prediction_folders(report: Report) -> dict[str, list[str]]:
    """Folders of predictions by model, one for each of its trainings."""
    return {
        model: [training.folder for training in report.seeds.get(model, ())] or [first]
        for model, first in report.models.items()
    }


def _table(names: list[str], titles: list[str], rows: Rows) -> pd.DataFrame:
    """A table of cells of text, with nothing escaped; a line break is one where there is place for it.

    Args:
        names: Titles of the names.
        titles: Titles of the other columns.
        rows: Cells by the names of a row.
    """
    return pd.DataFrame(list(rows.values()), pd.MultiIndex.from_tuples(rows, names=names), titles)


def _three_digits(value: float) -> str:
    return UNDEFINED if math.isnan(value) else f"{value:.3g}"


def _by_class(summaries: Sequence[Summary]) -> list[Summary]:
    """The summaries in the order of classes, so that the models of a class follow each other."""
    order = list(dict.fromkeys(summary.label for summary in summaries))
    return sorted(summaries, key=lambda summary: order.index(summary.label))


def _mean(value: Spread, cases: int | None, measure: Measure) -> str:
    text = number(value.mean, measure)
    if not math.isnan(value.std):
        text += f" ± {number(value.std, measure)}"
    return text if cases in (None, value.count) else f"{text} ({value.count} of {cases})"


def _difference(entry: Difference, measure: Measure) -> str:
    if math.isnan(entry.difference):
        return f"{UNDEFINED} (n = {entry.pairs})"
    low, high = (number(value, measure, "+") for value in (entry.low, entry.high))
    p_value = UNDEFINED if math.isnan(entry.p_value) else f"{entry.p_value:.2g}"
    interval = UNDEFINED if math.isnan(entry.low) else f"{low} to {high}"
    interval += ", t" if entry.interval == T_INTERVAL else ""
    return f"{number(entry.difference, measure, '+')} [{interval}],\np = {p_value} (n = {entry.pairs})"
