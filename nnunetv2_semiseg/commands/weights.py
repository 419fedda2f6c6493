"""The command ``nnUNetv2_semiseg_weights``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nnunetv2_semiseg.commands.errors import clean_exit
from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.networks.sam.weights.download import fetch, recognized
from nnunetv2_semiseg.networks.sam.weights.registry import (
    DEFAULT_WEIGHTS,
    PUBLISHED_WEIGHTS,
    VARIABLE,
    PublishedWeights,
    weights_folder,
)
from nnunetv2_semiseg.networks.sam.weights.transfer import format_size

INTERRUPTED = 130
"""Exit code of a command that a user stopped, by the convention of shells."""


@clean_exit
def main() -> None:
    """List, download or check files of foundation weights."""
    arguments = _parser().parse_args()
    if arguments.action == "list":
        show_all()
    elif arguments.action == "download":
        download(arguments.name)
    else:
        check(arguments.file)


def show_all() -> None:
    """Print the published files and which of them are in the folder, without any connection."""
    folder = weights_folder()
    print(f"folder: {folder} (the environment variable {VARIABLE} names another)")
    for weights in PUBLISHED_WEIGHTS.values():
        here = (folder / weights.file_name).is_file()
        print(
            f"\n{weights.name}{' (downloaded)' if here else ''}\n"
            f"  {weights.owner}, {weights.architecture}, {weights.file_name}\n"
            f"  size: {format_size(weights.num_bytes)}; {weights.known_hash}\n"
            f"  license: {weights.license}\n"
            f"  {weights.url}"
        )


def download(name: str) -> None:
    """Download a published file and print how it is used.

    Args:
        name: Key of `PUBLISHED_WEIGHTS`.

    Raises:
        UserError: There is no such name, or the download failed.
    """
    if name not in PUBLISHED_WEIGHTS:
        raise UserError(
            f"no published weights are called '{name}': take one of {', '.join(PUBLISHED_WEIGHTS)}"
        )
    weights = PUBLISHED_WEIGHTS[name]
    print(f"{weights.file_name} of {weights.owner}\nlicense: {weights.license}\nfrom: {weights.url}")
    folder = weights_folder()
    print(f"to: {folder}", flush=True)
    try:
        file = fetch(weights, folder, lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        print("\nstopped: the same command goes on where this one ended", file=sys.stderr)
        sys.exit(INTERRUPTED)
    _print_finders(weights)
    _print_usage(file, weights.architecture, weights.normalization)


def _print_finders(weights: PublishedWeights) -> None:
    """Print which trainers find a downloaded file by themselves."""
    from nnunetv2_semiseg.methods.foundations import foundation_users

    for user in foundation_users():
        if (user.config.architecture, user.config.normalization) == (
            weights.architecture,
            weights.normalization,
        ):
            print(f"\n{user.method} finds it: nnUNetv2_train DATASET 2d 0 -tr nnUNetTrainer{user.method}")


def check(file: Path) -> None:
    """Print what a file of weights is and how it is used.

    Args:
        file: Any file.

    Raises:
        UserFileError: There is no such file.
        UserError: The file may not be read, or its content is not a set of weights of SAM or MedSAM.
    """
    if not file.is_file():
        raise UserFileError(f"{file}: no such file; name a file of SAM or MedSAM weights")
    try:
        weights = recognized(file)
        if weights is None:
            _check_unknown(file)
            return
    except PermissionError:
        raise UserError(f"{file} may not be read: ask for the right to, or name a copy") from None
    _print_known(file, weights)


def _print_known(file: Path, weights: PublishedWeights) -> None:
    print(
        f"{file} is {weights.owner}'s {weights.architecture}, {weights.file_name} as published: "
        f"{weights.known_hash}\nlicense: {weights.license}"
    )
    _print_usage(file, weights.architecture, weights.normalization)


def _check_unknown(file: Path) -> None:
    """Print what the names and shapes in a file tell whose hash is not known."""
    # torch takes seconds, and the other actions do without it
    from nnunetv2_semiseg.networks.sam.checkpoint import identify_sam_checkpoint

    found = identify_sam_checkpoint(file)
    print(f"{file} is none of the published files, but a whole set of {found.architecture} weights")
    if not found.has_heads:
        print("It lacks the mask heads of the published files: SynFoC can use it, KnowSAM and SKD can't")
    print(f"How its images were normalized no file tells: set {' or '.join(DEFAULT_WEIGHTS)}")
    for normalization in DEFAULT_WEIGHTS:
        _print_usage(file, found.architecture, normalization, has_heads=found.has_heads)


def _print_usage(file: Path, architecture: str, normalization: str, has_heads: bool = True) -> None:
    # loads all methods and torch, which takes seconds
    from nnunetv2_semiseg.methods.foundations import configure_lines

    print(f"\nTo use it with {normalization}'s normalization, give one of these, with your dataset's number:")
    for line in configure_lines(file.absolute(), architecture, normalization, has_heads):
        print(f"  {line}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Lists the published weights of SAM and MedSAM, downloads them, and says what a file of "
        f"weights is. Downloads go to {VARIABLE}, an environment variable, or to the user's cache; `list` "
        "shows the folder. An interrupted download goes on with the same command. Proxies are those of "
        "HTTPS_PROXY and NO_PROXY. Only `download` needs a connection: on a machine without one, copy the "
        "file there and `check` it.",
        epilog="example: nnUNetv2_semiseg_weights download medsam_vit_b    then: nnUNetv2_train 502 2d 0 "
        "-tr nnUNetTrainerSynFoC",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    shown = "show all published files: names, sizes, licenses"
    listing = actions.add_parser("list", help=shown, description=shown.capitalize() + ".")
    listing.epilog = "example: nnUNetv2_semiseg_weights list"
    fetching = actions.add_parser(
        "download",
        help="NAME: fetch a file, verify it, and print how to use it",
        description="Fetches a published file, goes on where an earlier download ended, and verifies it.",
        epilog="example: nnUNetv2_semiseg_weights download medsam_vit_b",
    )
    fetching.add_argument("name", metavar="NAME", help=f"one of {', '.join(PUBLISHED_WEIGHTS)}")
    checking = actions.add_parser(
        "check",
        help="FILE: say what a file is, or why no foundation can be made of it",
        description="Says whether a file is a published one, or which architecture it fits, or why it is "
        "refused. No code in a file is ever run.",
        epilog="example: nnUNetv2_semiseg_weights check /data/weights/medsam_vit_b.pth",
    )
    checking.add_argument("file", metavar="FILE", type=Path, help="a file of weights")
    return parser


if __name__ == "__main__":
    main()
