"""Write docs/reference from the code: ``python docs/generate_reference.py``, or ``make reference``."""

from __future__ import annotations

import argparse
import configparser
import importlib
import io
import json
import os
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.core.config import TrainingConfig, parse_config
from nnunetv2_semiseg.methods.base import Method
from nnunetv2_semiseg.methods.registry import discovered_methods
from nnunetv2_semiseg.methods.settings import Key, all_keys, keys_of
from nnunetv2_semiseg.trainers.exported import exported_trainers
from nnunetv2_semiseg.trainers.made import all_trainers, trainer_of

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
METHOD_PAGES = ROOT / "docs" / "methods"
WIDTH = "100"
"""Columns of the help texts."""

NOTICE = "<!-- Written by docs/generate_reference.py. Change the code, then run `make reference`. -->"

COMMANDS_TEXT = f"""{NOTICE}
# Commands

Installing the package adds the commands of the first part. The converters of the second part are files of the
repository. nnU-Net's own commands are described in
[its documentation](https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/how_to_use_nnunet.md).
"""

TRAINERS_TEXT = """
## Trainers

Names for `-tr`, found once `nnUNet_extTrainer` is set:

| trainer | what it is |
|---|---|
"""

CONFIG_TEXT = f"""{NOTICE}
# Configuration keys

A key is set with `nnUNetv2_semiseg_configure`, or in the plans file below `semiseg` of a configuration of
your own. Dots stand for nested dictionaries: `synfoc.threshold=0.9` is
`"semiseg": {{"synfoc": {{"threshold": 0.9}}}}`. Values are JSON.
[How to change settings](../how-to/change-settings.md) has examples.
"""

METHODS_TEXT = f"""{NOTICE}
# Methods

What each method needs and gives. [Which one to take](../how-to/choose-a-method.md) is another question.

- **Foundation weights**: a file to fetch and to name. "By choice" is [a SAM branch](../methods/skd.md), off
  by default, which takes 2D patches only.
- **Trained**: networks that need memory for gradients and optimizer states. `deployed`, `second` and
  `subnet_a` are nnU-Net's network from the plans, `subnet_b` is one of about its size.
- **Teachers**: moving averages, which hold no gradients.
- **Memory**: weights, gradients and optimizer states of all networks, as a multiple of what nnU-Net's own
  training keeps, for each kind of patches; with the U-Net that nnU-Net plans for patches of 320² or 128³ and
  the default foundation. What a pass keeps for the gradient comes on top: it grows with samples, patch and
  image size.
- **Models**: names for `-tr` when predicting. The first is also the one to train with.
- **Samples**: labeled + unlabeled of a step; `labeled_batch_size` and `unlabeled_batch_size` set others.

| method | patches | foundation weights | trained | teachers | memory | models | length | samples |
|---|---|---|---|---|---|---|---|---|
"""

METHODS_END = """
Training with labeled images alone, for comparisons, is `nnUNetTrainerSupervised`; `epochs` and
`labeled_batch_size` of the same configuration give it a method's length and batch.
"""

PUBLISHED_BY = {"medsam": "MedSAM", "sam": "SAM"}
"""Whose weights a normalization is for."""

MERGED = ", [merged datasets](../how-to/merge-datasets.md) only"
"""What the table says of a method that learns tasks."""

MANY_CASES = 1000
"""Labeled cases, enough for every method's usual batch."""


for folder in (ROOT / "docs", ROOT / "tests" / "helpers"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def main() -> None:
    """Write all pages, or with ``--check`` say which one is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a page is stale")
    check = parser.parse_args().check
    for name, text in pages().items():
        file = REFERENCE / name
        if not check:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        elif is_stale(file, text):
            sys.exit(f"{file} is stale: run `make reference`")


def pages() -> dict[str, str]:
    """The generated pages by file name."""
    generated = {"commands.md": commands_page(), "config.md": config_page(), "methods.md": methods_page()}
    python = importlib.import_module("python_reference")
    for name, page in python.MODULE_PAGES.items():
        generated[f"python/{name}"] = f"{NOTICE}\n{python.module_page(page)}"
    return generated


def is_stale(file: Path, text: str) -> bool:
    """Whether a page differs in more than line breaks, which argparse sets differently in each Python."""
    return not file.is_file() or file.read_text().split() != text.split()


def commands_page() -> str:
    """The help text of every command and converter, and the names of the trainers."""
    parts = [COMMANDS_TEXT]
    for name, entry_point in sorted(console_scripts().items()):
        parts.append(_help_section(name, [name], entry_point))
    parts.append("\n# Converters\n")
    for file in sorted((ROOT / "dataset_conversion").glob("Dataset*.py")):
        parts.append(_help_section(file.name, [file.name], _script(file)))
    rows = [f"| `{name}` | {_first_line(kind)} |" for name, kind in sorted(all_trainers().items())]
    return "".join([*parts, TRAINERS_TEXT, "\n".join(rows), "\n"])


def config_page() -> str:
    """A table of keys for every training, and one for each method."""
    groups: dict[str, list[Key]] = {method: [] for method in ["", *sorted(discovered_methods())]}
    for key in all_keys():
        method = key.name.partition(".")[0]
        groups[method if method in groups else ""].append(key)
    return CONFIG_TEXT + "".join(_key_section(method, keys) for method, keys in groups.items())


def methods_page() -> str:
    """A table of all methods."""
    rows = [f"| {' | '.join(_method_cells(kind))} |" for _, kind in sorted(discovered_methods().items())]
    return "".join([METHODS_TEXT, "\n".join(rows), "\n", METHODS_END])


def console_scripts() -> dict[str, Callable[[], None]]:
    """The package's commands and their entry points, from setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    scripts = {}
    for line in config["options.entry_points"]["console_scripts"].strip().splitlines():
        name, _, target = (part.strip() for part in line.partition("="))
        module, _, function = target.partition(":")
        scripts[name] = getattr(importlib.import_module(module), function)
    return scripts


def help_of(arguments: list[str], run: Callable[[], Any]) -> str:
    """What a command prints for ``--help``.

    Args:
        arguments: Name of the command, then what stands before ``--help``.
        run: Entry point of the command.
    """
    text = io.StringIO()
    with _as_command([*arguments, "--help"]), redirect_stdout(text), suppress(SystemExit):
        run()
    return text.getvalue().strip()


@contextmanager
def _as_command(arguments: list[str]) -> Iterator[None]:
    before, columns = sys.argv, os.environ.get("COLUMNS")
    sys.argv, os.environ["COLUMNS"] = arguments, WIDTH
    try:
        yield
    finally:
        sys.argv = before
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns


def _script(file: Path) -> Callable[[], Any]:
    return lambda: runpy.run_path(str(file), run_name="__main__")


def _help_section(title: str, arguments: list[str], run: Callable[[], Any]) -> str:
    return f"\n## {title}\n\n```text\n{help_of(arguments, run)}\n```\n"


def _key_section(method: str, keys: list[Key]) -> str:
    title = f"Of the method `{method}`" if method else "Of every training"
    rows = [f"| `{key.name}` | {_default(key)} | {key.description} |" for key in keys]
    return "\n".join([f"\n## {title}\n", "| key | default | meaning |", "|---|---|---|", *rows, ""])


def _default(key: Key) -> str:
    # the length that each method has of its own comes as words
    if key.name == "epochs" and isinstance(key.default, str):
        return key.default
    return f"`{json.dumps(key.default)}`"


def _method_cells(kind: type[Method]) -> list[str]:
    """One row of the table of methods."""
    trained, teachers = _networks(kind)
    title = (METHOD_PAGES / f"{kind.key}.md").read_text().partition("\n")[0].removeprefix("# ")
    iterations = parse_config(TrainingConfig, {}, "defaults").iterations_per_epoch
    return [
        f"[{title}](../methods/{kind.key}.md)",
        ", ".join(f"{dimension}D" for dimension in sorted(kind.dimensions)) + MERGED * kind.needs_tasks,
        _foundation(kind),
        _code(trained),
        str(len(teachers)),
        _memory(kind),
        _code(_models(kind)),
        f"{kind.default_epochs} epochs, {kind.default_epochs * iterations:,} steps",
        _samples(kind),
    ]


def _networks(kind: type[Method]) -> tuple[list[str], list[str]]:
    """Names of the networks that a method trains and of its teachers, as a tiny one has them."""
    case = importlib.import_module("tiny_training").Case(kind, min(kind.dimensions))
    training = case.make_training()
    return list(training.trained()), list(training.method.teachers())


def _memory(kind: type[Method]) -> str:
    """The factor for each dimension, in the order of the column of patches."""
    factor = importlib.import_module("method_memory").memory_factor
    return ", ".join(f"{factor(kind, dimension):.1f}" for dimension in sorted(kind.dimensions))


def _foundation(kind: type[Method]) -> str:
    """Whose weights a method needs or may use."""
    defaults = {key.name: key.default for key in keys_of(kind.config_class)}
    published = [
        PUBLISHED_BY[default] for name, default in defaults.items() if name.endswith(".normalization")
    ]
    if not published:
        return "none"
    return f"none; {published[0]} by choice" if defaults.get("skd.enabled") is False else published[0]


def _models(kind: type[Method]) -> list[str]:
    """Trainers of all networks that come out of a training."""
    trainer = trainer_of(kind)
    return [model.__name__ for model in (trainer, *exported_trainers(trainer))]


def _samples(kind: type[Method]) -> str:
    """Samples of a step, and with how few labeled cases there are others."""
    config = parse_config(kind.config_class, {}, kind.key)

    def described(cases: int) -> str:
        first, second = (kind.batch_sizes(config, plans, cases) for plans in (1, 2))
        return f"{first.labeled} + {first.unlabeled}" if first == second else "the plans' + as many"

    usual, few = described(MANY_CASES), described(1)
    if usual == few:
        return usual
    bound = next(cases for cases in range(1, MANY_CASES) if described(cases) == usual)
    return f"{usual}; {few} under {bound} labeled cases"


def _code(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _first_line(kind: type[Any]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


if __name__ == "__main__":
    main()
