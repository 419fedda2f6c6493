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
        title: Its heading.
        text: What the modules are for.
        modules: Paths below the package without the ending; a folder stands for all modules in it.
    """

    title: str
    text: str
    modules: tuple[str, ...]


MODULE_PAGES = {
    "method.md": ModulePage(
        "A method",
        "What a new method is written with: its base classes, the batch that it gets, its configuration and\n"
        "the schedules of a training. [How to add one](../../how-to/add-a-method.md) has an example.",
        (
            "methods/base",
            "methods/ema_teacher",
            "methods/distilling",
            "batch",
            "config",
            "schedules",
            "labels",
            "optimization",
            "trainer",
        ),
    ),
    "losses.md": ModulePage(
        "Losses",
        "Functions of tensors; they know no networks. B is the number of samples, C that of classes with\n"
        "the background, S the spatial shape.",
        ("losses",),
    ),
    "mixing.md": ModulePage(
        "Mixing and grids",
        "Regions of one image in another, from one pixel grid to another, and where a network is uncertain.",
        ("mixing", "grids", "uncertainty"),
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
    found = sorted(file.stem for file in (PACKAGE / name).glob("*.py"))
    return [f"{name}/{stem}" for stem in found if not stem.startswith("_")]


def _section(path: str) -> str:
    dotted = path.replace("/", ".")
    code = f"../../../{PACKAGE.name}/{path}.py"
    return f"\n## {dotted}\n\nCode: [`{path}.py`]({code})\n\n::: {PACKAGE.name}.{dotted}\n"
