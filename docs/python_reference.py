"""The pages of the Python reference: which modules each of them shows.

The pages name the modules. What is in these is read from signatures and docstrings when the site is built, so
that no page repeats it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "nnunetv2_semiseg"


@dataclass(frozen=True)
class ModulePage:
    """A page of the reference.

    Attributes:
        title: Heading of the page.
        text: What the modules are for.
        modules: Paths below the package without the ending; a folder stands for all modules below it.
    """

    title: str
    text: str
    modules: tuple[str, ...]


MODULE_PAGES = {
    "method.md": ModulePage(
        "A method",
        "What a new method is written with: its base class, the parts that methods share, the batch that it\n"
        "gets and its configuration. [How to add one](../../how-to/add-a-method.md) has an example.",
        (
            "methods/base",
            "methods/parts",
            "networks/pixels",
            "core/batch",
            "core/config",
        ),
    ),
    "losses.md": ModulePage(
        "Losses",
        "Functions of tensors; they know no networks. B is the number of samples, C that of classes with\n"
        "the background, S the spatial shape.",
        ("methods/losses",),
    ),
    "trainers.md": ModulePage(
        "Trainers",
        "nnU-Net's trainer with unlabeled images, how a method's trainers are made, and what one optimizer\n"
        "step is.",
        ("trainers/semiseg", "trainers/made", "trainers/exported", "trainers/engine/step"),
    ),
    "networks.md": ModulePage(
        "Networks",
        "Networks and parts of networks beyond those that nnU-Net plans; they know no losses.",
        ("networks",),
    ),
    "evaluation.md": ModulePage(
        "Evaluation",
        "What `nnUNetv2_semiseg_evaluate` and `nnUNetv2_semiseg_evaluate_tasks` call.",
        ("evaluation",),
    ),
}


def module_page(page: ModulePage) -> str:
    """The text of a page: a heading and a directive of mkdocstrings for each module."""
    intro = f"# {page.title}\n\n{page.text}\n"
    return intro + "".join(_section(path) for name in page.modules for path in _files_of(name))


def _files_of(name: str) -> list[str]:
    """Modules that a name of `ModulePage.modules` stands for."""
    if not (PACKAGE / name).is_dir():
        return [name]
    files = (file.relative_to(PACKAGE).with_suffix("") for file in (PACKAGE / name).rglob("*.py"))
    return sorted(file.as_posix() for file in files if not file.stem.startswith("_"))


def _section(path: str) -> str:
    dotted = path.replace("/", ".")
    code = f"../../../{PACKAGE.name}/{path}.py"
    return f"\n## {dotted}\n\nCode: [`{path}.py`]({code})\n\n::: {PACKAGE.name}.{dotted}\n"
