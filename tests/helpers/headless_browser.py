"""A browser without a screen and without any network, for pages that have to work like this."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_browser = pytest.mark.skipif(BROWSER is None, reason="neither Chromium nor Chrome is installed")


def browse(profile: Path, address: str, *options: str) -> str:
    """Open a page; gives what the browser prints.

    Args:
        profile: An empty folder, or one that does not exist.
        address: Of the page, such as ``Path.as_uri`` makes it.
        options: What to do there.
    """
    assert BROWSER is not None
    # its own services would look for hosts, and it would wait for them
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
    offline = ("--host-resolver-rules=MAP * ~NOTFOUND", "--no-first-run", f"--user-data-dir={profile}")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", *quiet, *offline, *options, address]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return done.stdout
