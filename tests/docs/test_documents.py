"""Links lead somewhere, and the commands shown exist and take the arguments that they are given."""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from markdown_code import code_blocks, without_code

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), ROOT / "benchmarks" / "README.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"(?:\]\(|(?:src|srcset|href)=\")([^)\s\"]+)")
SETTING = re.compile(r"[A-Za-z_]+=\S*")
SUBSTITUTED = re.compile(r"^\w+=\$\((.*)\)$")
"""A variable that gets the output of a command."""
PROGRAM_IN_A_LINE = re.compile(r"`(python \S+\.py[^`]*)`")
GIVEN_BY_SLURM = re.compile(r"\$SLURM_\w+")
NOT_CHECKED = {"cd", "cp", "export", "git", "ls", "mv", "pip", "sbatch", "set", "source", "unzip", "wget"}
"""Programs that are not this package's, nnU-Net's or make's."""


class CapturedError(BaseException):
    """Carries a command's parser out of its entry point."""


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_relative_links_lead_to_files_and_headings(page: Path) -> None:
    for link in LINK.findall(without_code(page.read_text())):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, heading = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page}: {link}"
        assert ROOT in target.parents, f"{page}: {link} leaves the repository"
        if heading:
            assert heading in headings(target), f"{page}: {link}"


def headings(page: Path) -> set[str]:
    """Anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", without_code(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_commands_take_their_arguments(page: Path) -> None:
    text = page.read_text()
    for command in (*commands(text), *map(shlex.split, PROGRAM_IN_A_LINE.findall(text))):
        check(command)


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command line in the shell blocks of a page."""
    for block in code_blocks(text, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            line = GIVEN_BY_SLURM.sub("1", SUBSTITUTED.sub(r"\1", line))
            words = shlex.split(line, comments=True)
            while words and SETTING.fullmatch(words[0]):
                del words[0]
            if words:
                yield words


def check(words: list[str]) -> None:
    """Fail unless a command exists and its parser takes the arguments."""
    program, *arguments = words
    if program in NOT_CHECKED:
        return
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {a for a in arguments if "=" not in a} <= set(targets), words
        return
    if Path(program).name.startswith("python"):
        if arguments[:1] == ["-m"] and arguments[1] in ("venv", "pytest"):
            return
        program, *arguments = arguments if arguments[0] != "-m" else ["-m " + arguments[1], *arguments[2:]]
    assert accepts(parser_of(program), arguments), f"{' '.join(words)} is refused by its parser"


def accepts(parser: argparse.ArgumentParser, arguments: list[str]) -> bool:
    try:
        parser.parse_args(arguments)
    except SystemExit as ended:
        return not ended.code
    return True


@cache
def parser_of(program: str) -> argparse.ArgumentParser:
    """The parser that a command makes before it does anything else."""

    def capture(parser: argparse.ArgumentParser, *_: Any) -> None:
        raise CapturedError(parser)

    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("parse_args", "parse_known_args"):
            monkeypatch.setattr(argparse.ArgumentParser, name, capture)
        monkeypatch.setattr(sys, "argv", [program])
        # as Python does for a script, which may have neighbours
        monkeypatch.syspath_prepend(str((ROOT / program).parent))
        with pytest.raises(CapturedError) as caught:
            entry_point(program)()
    parser: argparse.ArgumentParser = caught.value.args[0]
    return parser


def entry_point(program: str) -> Callable[[], Any]:
    if program.startswith("-m "):
        module = program.removeprefix("-m ").replace(".", "/")
        found = [ROOT / f"{module}.py", ROOT / module / "__main__.py"]
        file = next(path for path in found if path.is_file())
        return lambda: runpy.run_path(str(file), run_name="__main__")
    if program.endswith(".py"):
        return lambda: runpy.run_path(str(ROOT / program), run_name="__main__")
    scripts = importlib.metadata.entry_points(group="console_scripts", name=program)
    assert scripts, f"{program} is no command"
    function: Callable[[], Any] = next(iter(scripts)).load()
    return function


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_commands_and_trainers_named_in_the_text_exist(page: Path) -> None:
    from nnunetv2_semiseg.trainers.made import all_trainers

    known = {script.name for script in importlib.metadata.entry_points(group="console_scripts")}
    trainers = {"nnUNetTrainer", "nnUNetTrainerSemiSeg", "nnUNetTrainerExported", *all_trainers()}
    text = page.read_text()
    made_there = re.findall(r'^    name: ClassVar\[str\] = "(\w+)"', text, re.MULTILINE)
    trainers |= {f"nnUNetTrainer{name}" for name in made_there}
    assert set(re.findall(r"\bnnUNetv2_\w+", text)) <= known
    assert set(re.findall(r"\bnnUNetTrainer[A-Za-z0-9]*", text)) <= trainers


def test_commands_are_found_in_lists_and_scripts() -> None:
    text = """1. Train:

    ```bash
    set -e
    job=$(sbatch --parsable a.sh)
    OMP_NUM_THREADS=1 nnUNetv2_train 502 2d \\
        $SLURM_ARRAY_TASK_ID  # a fold
    ```

````markdown
```text
nnUNetv2_semiseg_nothing
```
````
"""
    train = ["nnUNetv2_train", "502", "2d", "1"]
    assert list(commands(text)) == [["set", "-e"], ["sbatch", "--parsable", "a.sh"], train]


def test_a_wrong_flag_would_be_noticed() -> None:
    with pytest.raises(AssertionError, match="refused"):
        check(["nnUNetv2_semiseg_preprocess", "-d", "502", "--no-such-flag"])
    with pytest.raises(AssertionError, match="no command"):
        check(["nnUNetv2_semiseg_nothing"])
