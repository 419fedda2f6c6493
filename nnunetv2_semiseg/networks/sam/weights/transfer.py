"""Downloads over HTTP that go on where the last one ended."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from nnunetv2_semiseg import __version__
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.networks.sam.weights.registry import VARIABLE

CHUNK = 1 << 20
"""Number of bytes that are written at a time."""

TIMEOUTS = (30.0, 60.0)
"""Seconds to wait for a connection, and for the next bytes."""

HEADERS = {
    "User-Agent": f"nnunetv2_semiseg/{__version__}",
    # a compressed answer would have another length, and no place to go on from
    "Accept-Encoding": "identity",
}

Report = Callable[[str], None]
"""Takes a line about what is going on."""


class DownloadError(UserError):
    """A download that failed for a reason outside this program; the message says what to do."""


class ResumingDownloader:
    """A downloader for pooch whose bytes gather in a file that outlives an interruption.

    Proxies and certificates are those of requests: ``HTTPS_PROXY``, ``NO_PROXY``, ``REQUESTS_CA_BUNDLE``.
    """

    def __init__(self, part: Path, num_bytes: int | None, report: Report) -> None:
        """Prepare a transfer.

        Args:
            part: File in which bytes gather; those that it has already are not fetched again.
            num_bytes: Size of the whole file in bytes, None if it is not known.
            report: Takes a line about the size, before the transfer begins.
        """
        self._part = part
        self._num_bytes = num_bytes
        self._report = report

    def __call__(self, url: str, output_file: str, pooch_instance: Any) -> None:
        """Fetch what is missing, then let ``output_file`` be the same file as ``part``.

        Args:
            url: Address of the file.
            output_file: Temporary file of pooch's in the folder of ``part``.
            pooch_instance: What pooch passes to every downloader; not used.

        Raises:
            DownloadError: There was no answer, an answer without the file, a broken connection, or too
                little space.
            OSError: The file can't be written.
        """
        # pooch made it empty, and a kill would leave it
        Path(output_file).unlink()
        if self._num_bytes is None or self._size() != self._num_bytes:
            try:
                self._fetch_the_rest(url)
            except requests.RequestException as error:
                raise DownloadError(self._refusal(url, error)) from error
        _same_file(self._part, Path(output_file))

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _fetch_the_rest(self, url: str) -> None:
        start = self._size()
        with _request(url, start) as response:
            nothing_left = response.status_code == requests.codes.requested_range_not_satisfiable
            if not (start and nothing_left):
                self._receive(response, url, start)
                return
            if _announced_size(response, start) == start:
                return
        # longer than the file: what gathered here is of another one
        self._part.unlink()
        with _request(url, 0) as response:
            self._receive(response, url, 0)

    def _receive(self, response: Any, url: str, start: int) -> None:
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            start = 0  # a server that can't go on sends all of it again
        total = _announced_size(response, start)
        self._check_size(url, total)
        total = self._num_bytes if total is None else total
        self._report(f"size: {format_size(total)}" + (f", {format_size(start)} are here" if start else ""))
        self._check_space(total, start)
        try:
            self._write(response, start, total)
        except requests.RequestException as error:
            raise DownloadError(self._broken(url, total)) from error
        # some versions of requests end without an error where the connection ends early
        if total is not None and self._size() < total:
            raise DownloadError(self._broken(url, total))

    def _write(self, response: Any, start: int, total: int | None) -> None:
        # in a log file a bar is a line each time
        often = 0.2 if sys.stderr.isatty() else 30.0
        bar = tqdm(total=total, initial=start, unit="B", unit_scale=True, mininterval=often)
        with bar, self._part.open("ab" if start else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
            file.flush()
            # it must be on the disk before it gets the name of a whole file
            os.fsync(file.fileno())

    def _check_size(self, url: str, total: int | None) -> None:
        if total is not None and self._num_bytes not in (None, total):
            raise DownloadError(
                f"{url} offers {format_size(total)} instead of {format_size(self._num_bytes)}, so nothing "
                "was fetched: open the address in a browser, where the page of a proxy or a login would show"
            )

    def _check_space(self, total: int | None, start: int) -> None:
        free = shutil.disk_usage(self._part.parent).free
        if total is not None and free < total - start:
            raise DownloadError(
                f"{self._part.parent} has {free / 1e6:,.0f} MB free and {(total - start) / 1e6:,.0f} MB are "
                f"still to come: make room, or set {VARIABLE} to another folder"
            )

    def _broken(self, url: str, total: int | None) -> str:
        return (
            f"the connection to {urlsplit(url).netloc} broke after {format_size(self._size())}, size of the "
            f"whole file: {format_size(total)}; give the same command again to go on from there"
        )

    def _refusal(self, url: str, error: requests.RequestException) -> str:
        """Why there was no transfer at all, and how the file can be had in another way."""
        whole = self._part.with_suffix("")
        by_hand = f"or fetch the file elsewhere and copy it to {whole}"
        if isinstance(error, requests.HTTPError):
            answer = f"{error.response.status_code} {error.response.reason}".strip()
            return f"{url} answered '{answer}': try again later, {by_hand}"
        if isinstance(error, requests.exceptions.SSLError):
            return (
                f"the certificate of {urlsplit(url).netloc} is not trusted here: name your network's own "
                f"with REQUESTS_CA_BUNDLE, {by_hand}"
            )
        return (
            f"no connection to {url} ({type(error).__name__}): check the network, name its proxy with "
            f"HTTPS_PROXY if it has one, {by_hand}"
        )


def format_size(num_bytes: int | None) -> str:
    """A size in bytes in words, ``unknown`` for None.

    Examples:
        >>> format_size(375_042_383)
        '375,042,383 bytes (375 MB)'
    """
    return "unknown" if num_bytes is None else f"{num_bytes:,} bytes ({num_bytes / 1e6:,.0f} MB)"


def _request(url: str, start: int) -> Any:
    """Ask for a file from byte ``start`` on; nothing but the headers is read yet."""
    headers = {**HEADERS, "Range": f"bytes={start}-"} if start else HEADERS
    return requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS)


def _announced_size(response: Any, start: int) -> int | None:
    """Size in bytes of the whole file, as the headers of an answer tell that begins at byte ``start``."""
    ranged = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
    if ranged:
        return int(ranged[1])
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() and response.ok else None


def _same_file(part: Path, output: Path) -> None:
    """Give a file a second name, so that a kill while pooch verifies it does not cost another download."""
    try:
        os.link(part, output)
    except OSError:  # not every file system can
        part.replace(output)
