"""The course of a comparison: checks, commands in their order, and the script for a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_semiseg.comparing.comparison import Comparison
from nnunetv2_semiseg.comparing.devices import Device, check_present
from nnunetv2_semiseg.comparing.facts import Facts, check_equal, describe_cases, describe_patch, facts_of
from nnunetv2_semiseg.comparing.jobs import (
    Job,
    configuring_jobs,
    ensembling_jobs,
    prediction_jobs,
    preprocessing_jobs,
    training_jobs,
)
from nnunetv2_semiseg.comparing.settings import with_configurations
from nnunetv2_semiseg.comparing.stored import check_models
from nnunetv2_semiseg.comparing.unlabeled import (
    UnlabeledFiles,
    check_unlabeled,
    note_unlabeled,
    unlabeled_files,
)
from nnunetv2_semiseg.comparing.workers import run_jobs
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import locked
from nnunetv2_semiseg.core.launcher import say
from nnunetv2_semiseg.core.plans_file import only_writer, read_plans, write_plans
from nnunetv2_semiseg.data.loading.labeled_check import check_labeled_matches_plans

SCRIPT = """\
# The same for all trainings: {conditions}.
export nnUNet_extTrainer="$(nnUNetv2_semiseg_plugin)"

# 1. Once, before all else.
{preparing}

# 2. Trainings, side by side if you like; a line that was interrupted goes on when it is given again.
{training}

# 3. Predictions, after all trainings.
{predicting}

# 4. The report, after all of these.
{reporting}
"""


@dataclass(frozen=True)
class Prepared:
    """A comparison that has passed all checks.

    Attributes:
        comparison: The comparison.
        plans_file: Plans file of the dataset.
        missing: Commands that make the configurations which the plans file lacks.
        facts: Conditions that all trainers have in common.
        images: Image files of each test case.
        unlabeled: Unlabeled images; empty if no method learns from them.
        device: Kind of device that the trainings run on.
    """

    comparison: Comparison
    plans_file: Path
    missing: list[Job]
    facts: Facts
    images: Mapping[str, tuple[Path, ...]]
    unlabeled: UnlabeledFiles
    device: str

    @property
    def conditions(self) -> dict[str, str]:
        """What all trainings have in common, in words."""
        comparison = self.comparison
        settings, facts = comparison.settings, self.facts
        return {
            "configuration": f"{comparison.parent} of {comparison.plans_name}",
            "iterations": f"{facts.iterations} in epochs of {settings['iterations_per_epoch']}",
            "patch": describe_patch(facts),
            "labeled cases": describe_cases(facts),
            **({"unlabeled cases": str(len(self.unlabeled))} if self.unlabeled else {}),
            "labeled samples a step": str(facts.labeled_samples),
            "fold": ", ".join(comparison.folds),
            "seeds": ", ".join(map(str, comparison.seeds)),
            "device": self.device,
        }


def prepare(
    comparison: Comparison,
    plans_file: Path,
    plans: dict[str, Any],
    dataset_json: Mapping[str, Any],
    images: Mapping[str, tuple[Path, ...]],
    device: str,
) -> Prepared:
    """Check all trainers before any of them is trained.

    Args:
        comparison: The comparison.
        plans_file: Plans file of the dataset.
        plans: Content of the plans file.
        dataset_json: Content of the preprocessed dataset's dataset.json.
        images: Image files of each test case.
        device: Kind of device of the trainings.

    Raises:
        UserFileError: Preprocessed or unlabeled images, or foundation weights are missing.
        UnsupportedError: A trainer cannot train this dataset in this configuration.
        UserError: A setting is wrong, the trainers' conditions differ, or existing trainings began under
            other conditions.
    """
    changed = with_configurations(plans, comparison)
    first = next(iter(comparison.configurations.values()))
    check_labeled_matches_plans(comparison.dataset, first, PlansManager(changed))
    check_models(comparison, changed, dataset_json, plans_file.parent)
    unlabeled = unlabeled_files(comparison, dataset_json)
    check_unlabeled(comparison, unlabeled)
    facts = {
        one.name: facts_of(one, changed, first, comparison.folds, dataset_json, device)
        for one in comparison.competitors
    }
    missing = configuring_jobs(comparison, plans)
    return Prepared(comparison, plans_file, missing, check_equal(facts), images, unlabeled, device)


def run(prepared: Prepared, devices: Sequence[Device], variables: Mapping[str, str]) -> None:
    """Train and predict what is missing.

    Args:
        prepared: The comparison after its checks.
        devices: Devices that the commands run on, one command at a time each.
        variables: Environment variables of all commands, beyond those of this process.

    Raises:
        UserError: Commands failed, a device is missing, or another command works in the same folder.
    """
    comparison = prepared.comparison
    logs = comparison.folder / "logs"
    for folder in (logs, comparison.folder / "predictions"):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(comparison.folder):
        note_unlabeled(comparison, prepared.unlabeled)
        _configure(prepared)
        stages = (
            ("preprocessing", preprocessing_jobs(comparison), devices[:1]),
            ("trainings", training_jobs(comparison, prepared.device), devices),
            ("predictions", prediction_jobs(comparison, prepared.images, prepared.device), devices),
        )
        if any(jobs for _, jobs, _ in stages):
            check_present(devices)
        for title, jobs, where in stages:
            _run_all(title, jobs, where, logs, variables)
        # what is to be ensembled shows only now
        _run_all("ensembles", ensembling_jobs(comparison, prepared.images), devices[:1], logs, variables)


def script(prepared: Prepared, reporting: str) -> str:
    """The commands that `run` would run, as a script for a shell.

    Args:
        prepared: The comparison after its checks.
        reporting: Command that writes the report.
    """
    comparison, device = prepared.comparison, prepared.device
    predicting = prediction_jobs(comparison, prepared.images, device)
    conditions = ", ".join(f"{name} {value}" for name, value in prepared.conditions.items())
    return SCRIPT.format(
        conditions=conditions,
        preparing=_lines([*prepared.missing, *preprocessing_jobs(comparison)]),
        training=_lines(training_jobs(comparison, device)),
        predicting=_lines([*predicting, *ensembling_jobs(comparison, prepared.images)]),
        reporting=reporting,
    )


def _configure(prepared: Prepared) -> None:
    """Write the configurations that the plans lack, all at once, in place of the commands that are shown."""
    if not prepared.missing:
        return
    for job in prepared.missing:
        say(f"$ {job.line}")
    file = prepared.plans_file
    with only_writer(file):
        # the checks take a minute, in which another command may have written a configuration
        write_plans(file, with_configurations(read_plans(file), prepared.comparison))


def _run_all(
    title: str, jobs: Sequence[Job], devices: Sequence[Device], logs: Path, variables: Mapping[str, str]
) -> None:
    if not jobs:
        return
    failures = run_jobs(jobs, devices, logs, variables, title)
    if failures:
        others = f", the other {len(jobs) - len(failures)} are finished" if len(jobs) > len(failures) else ""
        raise UserError(
            f"{len(failures)} of {len(jobs)} commands failed ({title}){others}. "
            f"{'; '.join(map(str, failures))}. Mend the cause and give the same command again, which goes on "
            "from here"
        )


def _lines(jobs: Sequence[Job]) -> str:
    return "\n".join(job.line for job in jobs) if jobs else "# nothing is left to do"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let no other process work in the folder of a comparison."""
    busy = f"another command works on the comparison in {folder}: wait for it, or choose another --name"
    with locked(folder / ".lock", busy):
        yield
