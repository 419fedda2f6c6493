"""Downloads from a server on this machine: interrupted, wrong, twice at once, through a proxy."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from fetching import CONTENT, PART, Fetch, names, refusal, wait_for
from loopback_server import FILE_NAME, LoopbackServer

from nnunetv2_semiseg.networks.sam.weights import transfer
from nnunetv2_semiseg.networks.sam.weights.download import fetch


@pytest.mark.parametrize("num_bytes", [len(CONTENT), None])
def test_a_file_arrives_whole_and_once(
    get: Fetch,
    server: LoopbackServer,
    folder: Path,
    lines: list[str],
    capsys: pytest.CaptureFixture[str],
    num_bytes: int | None,
) -> None:
    file = get(num_bytes=num_bytes)
    assert "100%" in capsys.readouterr().err
    assert file.read_bytes() == CONTENT
    assert names(folder) == {FILE_NAME}
    assert lines[0] == "size: 3,145,728 bytes (3 MB)"
    assert "is whole: sha256:" in lines[1]
    assert get(num_bytes=num_bytes) == file
    assert len(server.asked) == 1
    assert "is here already" in lines[2]


def test_others_may_read_the_file_as_they_may_read_any(get: Fetch, tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    assert stat.S_IMODE(get().stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_size_is_unknown_where_no_one_says_it(get: Fetch, server: LoopbackServer, lines: list[str]) -> None:
    server.says_length = False
    assert get(num_bytes=None).read_bytes() == CONTENT
    assert lines[0] == "size: unknown"


def test_a_cut_connection_is_gone_on_with(
    get: Fetch, server: LoopbackServer, folder: Path, lines: list[str]
) -> None:
    server.cut_after = [2 << 20, 1 << 19]
    for _ in range(2):
        message = refusal(get)
        assert "broke after" in message
        assert "give the same command again" in message
        assert names(folder) == {PART}
    here = (folder / PART).stat().st_size
    assert 2 << 20 < here < 3 << 20
    assert get().read_bytes() == CONTENT
    assert server.asked[0] is None
    assert server.asked[2] == f"bytes={here}-"
    assert f"{here:,} bytes" in lines[-2]
    assert names(folder) == {FILE_NAME}


def test_a_server_that_can_not_go_on_sends_all_again(get: Fetch, server: LoopbackServer) -> None:
    server.takes_ranges = False
    server.cut_after = [1 << 20]
    refusal(get)
    assert get().read_bytes() == CONTENT


def test_a_connection_that_ends_early_without_an_error(
    get: Fetch, server: LoopbackServer, folder: Path
) -> None:
    server.says_length = False
    server.cut_after = [1 << 20]
    assert "broke after" in refusal(get)
    assert names(folder) == {PART}


@pytest.mark.parametrize("num_bytes", [len(CONTENT), None])
@pytest.mark.parametrize("more", [b"", b"more"])
def test_a_part_with_nothing_left_to_fetch(
    get: Fetch, folder: Path, num_bytes: int | None, more: bytes
) -> None:
    """Left by a kill during verification, or of another file."""
    folder.mkdir(parents=True)
    (folder / PART).write_bytes(CONTENT + more)
    assert get(num_bytes=num_bytes).read_bytes() == CONTENT
    assert names(folder) == {FILE_NAME}


def test_a_server_that_sends_nothing_more_is_not_waited_for_forever(
    get: Fetch, server: LoopbackServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "TIMEOUTS", (5.0, 0.3))
    server.gate.clear()
    assert "broke after" in refusal(get)
    assert names(folder) == {PART}
    server.gate.set()
    assert get().read_bytes() == CONTENT


def test_a_kill_leaves_no_file_and_costs_only_the_rest(
    get: Fetch, server: LoopbackServer, folder: Path
) -> None:
    server.gate.clear()
    code = (
        "import sys; from pathlib import Path\n"
        "from nnunetv2_semiseg.networks.sam.weights import download, registry\n"
        f"download.fetch({server.weights()!r}, Path(sys.argv[1]))".replace(
            "PublishedWeights(", "registry.PublishedWeights("
        )
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stderr=subprocess.DEVNULL)
    wait_for(lambda: (folder / PART).is_file() and (folder / PART).stat().st_size >= 1 << 20)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert names(folder) == {PART}
    server.gate.set()
    assert get().read_bytes() == CONTENT
    assert server.asked[1] is not None


@pytest.mark.parametrize("resumed", [False, True])
def test_a_wrong_hash_is_deleted(get: Fetch, folder: Path, resumed: bool) -> None:
    wrong = {} if resumed else {"known_hash": "md5:" + "0" * 32}
    if resumed:
        folder.mkdir(parents=True)
        (folder / PART).write_bytes(b"of another file")
    message = refusal(lambda: get(**wrong))
    assert "is not loopback_vit_b.pth as published" in message
    assert names(folder) == set()
    if resumed:
        assert get().read_bytes() == CONTENT


def test_another_size_is_noticed_before_the_transfer(get: Fetch, folder: Path) -> None:
    assert "offers 3,145,728 bytes" in refusal(lambda: get(num_bytes=5))
    assert names(folder) == set()


def test_someones_file_of_that_name_stays(get: Fetch, server: LoopbackServer, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / FILE_NAME).write_bytes(b"finetuned")
    assert "move it away" in refusal(get)
    assert (folder / FILE_NAME).read_bytes() == b"finetuned"
    assert not server.asked


def test_a_file_put_there_by_hand_needs_no_connection(
    get: Fetch, server: LoopbackServer, folder: Path
) -> None:
    folder.mkdir(parents=True)
    (folder / FILE_NAME).write_bytes(CONTENT)
    get(num_bytes=None)
    assert not server.asked


@pytest.mark.parametrize("status", [403, 404, 429, 503])
def test_an_answer_without_the_file(get: Fetch, server: LoopbackServer, folder: Path, status: int) -> None:
    server.status = status
    message = refusal(get)
    assert f"answered '{status} " in message
    assert f"copy it to {folder / FILE_NAME}" in message
    assert names(folder) == set()


def test_no_connection(server: LoopbackServer, folder: Path) -> None:
    weights = server.weights(url="http://127.0.0.1:9/loopback_vit_b.pth")
    message = refusal(lambda: fetch(weights, folder))
    assert "HTTPS_PROXY" in message
    assert f"copy it to {folder / FILE_NAME}" in message


def test_a_certificate_that_is_not_trusted(get: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise requests.exceptions.SSLError("self-signed certificate in certificate chain")

    monkeypatch.setattr(requests, "get", refuse)
    assert "REQUESTS_CA_BUNDLE" in refusal(get)


def test_proxies_are_used(get: Fetch, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    url = f"http://weights.invalid/{FILE_NAME}"
    assert get(url=url).read_bytes() == CONTENT
    assert server.paths == [url]


def test_two_at_once_fetch_once(
    server: LoopbackServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.gate.clear()
    said: list[str] = []
    with ThreadPoolExecutor(2) as both:
        first = both.submit(fetch, server.weights(), folder, said.append)
        wait_for(lambda: bool(server.asked))
        second = both.submit(fetch, server.weights(), folder, said.append)
        wait_for(lambda: any("waiting" in line for line in said))
        wait_for(lambda: "size: 3,145,728 bytes (3 MB)" in said)  # before the file is here
        server.gate.set()
        assert first.result() == second.result() == folder / FILE_NAME
    assert server.asked == [None]
    assert f"another process is fetching {FILE_NAME}: waiting for it" in said
    assert (folder / FILE_NAME).read_bytes() == CONTENT
