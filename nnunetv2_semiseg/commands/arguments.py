"""Types of command-line arguments."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """An integer of at least 1; argparse says what is wrong with another."""
    return _at_least(1, text)


def natural(text: str) -> int:
    """An integer of at least 0; argparse says what is wrong with another."""
    return _at_least(0, text)


def _at_least(smallest: int, text: str) -> int:
    number = int(text)
    if number < smallest:
        raise argparse.ArgumentTypeError(f"must be at least {smallest}, got {number}")
    return number
