"""The command ``nnUNetv2_semiseg_compare``."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from nnunetv2_semiseg.commands.arguments import (
    add_dataset_argument,
    add_overwrite_argument,
    add_processes_argument,
    positive,
)
from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.commands.plugin import VARIABLE, plugin_path
from nnunetv2_semiseg.comparing.comparison import Comparison
from nnunetv2_semiseg.comparing.competitors import find_competitors
from nnunetv2_semiseg.comparing.data_checks import check_folds, held_out_images
from nnunetv2_semiseg.comparing.devices import parse_devices
from nnunetv2_semiseg.comparing.facts import ALL
from nnunetv2_semiseg.comparing.flow import Prepared, prepare, run, script
from nnunetv2_semiseg.comparing.reporting import measure
from nnunetv2_semiseg.comparing.settings import common_settings
from nnunetv2_semiseg.comparing.unlabeled import note_unlabeled
from nnunetv2_semiseg.core.plans_file import check_name, read_planned, read_plans
from nnunetv2_semiseg.data.raw.folders import find_raw_dataset, preprocessed_folder, results_folder
from nnunetv2_semiseg.data.raw.reading import read_dataset_json
from nnunetv2_semiseg.evaluation.measuring.domains import unused_domains
from nnunetv2_semiseg.evaluation.measuring.measures import MEASURES
from nnunetv2_semiseg.evaluation.writing.folder import PAGE, check_output, write_report
from nnunetv2_semiseg.evaluation.writing.markdown import means_markdown, table_markdown
from nnunetv2_semiseg.evaluation.writing.page.page import report_page
from nnunetv2_semiseg.evaluation.writing.tables import costs_table, counts_table
from nnunetv2_semiseg.methods.settings import parse_settings, with_absolute_checkpoints

INTERRUPTED = 130
"""Exit code of a command that a user stopped, by the convention of shells."""

PROGRAM = "nnUNetv2_semiseg_compare"

REPORT = "report"
"""Default name of the report's folder, which then lies beside the logs."""


@clean_exit
def main() -> None:
    """Train, predict and measure several trainers under the same conditions."""
    arguments = _parser().parse_args()
    devices = parse_devices(arguments.devices)
    os.environ[VARIABLE] = plugin_path(os.environ.get(VARIABLE, ""))
    prepared = _prepared(arguments, devices[0].kind)
    output = arguments.output or prepared.comparison.folder / REPORT
    check_output(output, arguments.overwrite)  # before the long work
    if unused := unused_domains(sorted(prepared.images), prepared.comparison.dataset_json):
        print(unused, file=sys.stderr)
    if arguments.print_commands:
        note_unlabeled(prepared.comparison, prepared.unlabeled)
        words = [word for word in sys.argv[1:] if word != "--print-commands"]
        print(script(prepared, shlex.join([PROGRAM, *words])), end="")
        return
    print("The same for all trainings:")
    print("\n".join(f"  {name}: {value}" for name, value in prepared.conditions.items()), flush=True)
    try:
        with _stopped_by_signals():
            run(prepared, devices, {})
    except KeyboardInterrupt:
        print("\nstopped: the same command goes on where this one ended", file=sys.stderr)
        sys.exit(INTERRUPTED)
    _report(prepared, output, arguments)


def _prepared(arguments: argparse.Namespace, device: str) -> Prepared:
    """The comparison after all checks, of which the quick ones come first and building networks last."""
    raw = find_raw_dataset(arguments.dataset)
    dataset_json = read_dataset_json(raw)
    images = held_out_images(raw, dataset_json)
    name = arguments.name or f"{arguments.configuration}_compare"
    check_name(name)
    preprocessed = preprocessed_folder() / raw.name
    plans_file = preprocessed / f"{arguments.plans}.json"
    plans = read_plans(plans_file)
    of_trainings = read_planned(preprocessed / "dataset.json")
    competitors = find_competitors(arguments.trainers)
    check_folds(preprocessed, arguments.folds, of_trainings)
    settings = with_absolute_checkpoints(parse_settings(arguments.settings))
    comparison = Comparison(
        raw=raw,
        dataset_json=dataset_json,
        plans_name=arguments.plans,
        parent=arguments.configuration,
        name=name,
        folds=tuple(arguments.folds),
        competitors=competitors,
        settings=common_settings(plans, arguments.configuration, competitors, arguments.iterations, settings),
        seeds=tuple(range(arguments.seeds)),
        results=results_folder() / raw.name,
        ensemble=arguments.ensemble,
    )
    return prepare(comparison, plans_file, plans, of_trainings, images, device)


def _report(prepared: Prepared, output: Path, arguments: argparse.Namespace) -> None:
    report, sources = measure(prepared.comparison, prepared.conditions, arguments.num_processes)
    write_report(report, output, arguments.overwrite, report_page(report, sources))
    tables = [table_markdown(table) for table in (counts_table(report), costs_table(report))]
    print("\n".join([means_markdown(report, MEASURES[0]), *tables]))
    print(f"Wrote {output / PAGE}, with Markdown, JSON and CSV beside it")


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Treat a cluster's SIGTERM and a closed terminal's SIGHUP like Ctrl-C, so that the trainings end too.

    A signal that is ignored, such as SIGHUP under nohup, stays ignored.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    heeded = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}
    for number in heeded:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in heeded.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Trains several trainers with the same labeled cases, plans, patch, batch and number of "
        "iterations, or goes on where that was interrupted; then predicts imagesTs with all networks that "
        "came out, and writes one report: the measures of nnUNetv2_semiseg_evaluate with hours and memory "
        "beside Dice. Test images are looked at once, after the last training. Every command is printed "
        "before it runs. If a training fails, the others go on, and no report is written.",
        epilog="example: nnUNetv2_semiseg_compare -d 502 -c 2d -f all --trainers nnUNetTrainer "
        "nnUNetTrainerFixMatch --iterations 25000 --seeds 3 --devices cuda:0 cuda:1 -o report",
    )
    add_dataset_argument(parser, "the dataset; it has imagesTs and labelsTs")
    _add_training_arguments(parser)
    add = parser.add_argument
    add(
        "-o", dest="output", type=Path, metavar="FOLDER",
        help="folder for the report; default: beside the comparison's logs, in nnUNet_results",
    )  # fmt: skip
    add(
        "--ensemble", action="store_true",
        help="also ensemble the networks of a training; stores their probabilities",
    )  # fmt: skip
    add(
        "--print-commands", action="store_true",
        help="run nothing: check everything and print what is left to run, as lines for a shell",
    )  # fmt: skip
    add_processes_argument(parser, "measure")
    add_overwrite_argument(parser, "the report")
    return parser


def _add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is trained, how long and on which devices."""
    add = parser.add_argument
    add("-c", dest="configuration", required=True, metavar="CONFIGURATION", help="configuration, such as 2d")
    add("-p", dest="plans", default="nnUNetPlans", metavar="PLANS", help="plans; default: nnUNetPlans")
    add(
        "-f", dest="folds", nargs="+", default=[ALL], metavar="FOLD",
        help=f"{ALL} (default), or numbers of folds whose networks predict together",
    )  # fmt: skip
    add(
        "--trainers", nargs="+", required=True, metavar="TRAINER",
        help="class names; the others are compared with the first. nnUNetTrainer stands for "
        "nnUNetTrainerSupervised, which trains alike and as long as the others",
    )  # fmt: skip
    add("--iterations", type=positive, help="of every training; default: as configured, or the trainers' own")
    add("--seeds", type=positive, default=1, metavar="N", help="repeat all with seeds 0 to N-1; default: 1")
    add(
        "--devices", nargs="+", default=["cuda"], metavar="DEVICE",
        help="such as cuda:0 cuda:1, or cpu; one training at a time on each; default: cuda",
    )  # fmt: skip
    add(
        "--settings", nargs="+", default=[], metavar="KEY=VALUE",
        help="hyper-parameters as of nnUNetv2_semiseg_configure",
    )  # fmt: skip
    add(
        "--name", help="what the names of the comparison's own configurations begin with; "
        "default: CONFIGURATION_compare",
    )  # fmt: skip


if __name__ == "__main__":
    main()
