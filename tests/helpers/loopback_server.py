"""A server of one file on this machine, which can be made to misbehave."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nnunetv2_semiseg.networks.sam.weights.registry import PublishedWeights

FILE_NAME = "loopback_vit_b.pth"


@dataclass
class LoopbackServer:
    """What the server does; may be changed between requests."""

    content: bytes
    port: int = 0
    takes_ranges: bool = True
    says_length: bool = True
    status: int | None = None
    """An answer without the file."""
    cut_after: list[int] = field(default_factory=list)
    """Bytes after which the connections of the next requests break."""
    gate: threading.Event = field(default_factory=threading.Event)
    """The second half of an answer waits for it; open unless a test closes it."""
    asked: list[str | None] = field(default_factory=list)
    """The Range header of each request."""
    paths: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{FILE_NAME}"

    def weights(self, **changes: Any) -> PublishedWeights:
        """The file as a published one."""
        described: dict[str, Any] = {
            "name": "loopback_vit_b",
            "owner": "Loopback",
            "architecture": "vit_b",
            "normalization": "sam",
            "file_name": FILE_NAME,
            "url": self.url,
            "place": "this machine",
            "known_hash": f"sha256:{hashlib.sha256(self.content).hexdigest()}",
            "license": "no license, see nowhere",
            "num_bytes": len(self.content),
        }
        return PublishedWeights(**{**described, **changes})


@contextmanager
def serving(content: bytes) -> Iterator[LoopbackServer]:
    """Serve on a free port of the loopback interface."""
    state = LoopbackServer(content)
    state.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, state)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


def answer(handler: BaseHTTPRequestHandler, state: LoopbackServer) -> None:
    asked = handler.headers.get("Range")
    state.asked.append(asked)
    state.paths.append(handler.path)
    if state.status is not None:
        handler.send_error(state.status)
        return
    size = len(state.content)
    start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and state.takes_ranges else 0
    if start >= size:
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{size}")
        handler.end_headers()
        return
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
    if state.says_length:
        handler.send_header("Content-Length", str(size - start))
    handler.end_headers()
    body = state.content[start:]
    if state.cut_after:
        body = body[: state.cut_after.pop(0)]
    half = len(body) // 2
    # whoever asked may be dead by then
    with suppress(ConnectionError):
        handler.wfile.write(body[:half])
        handler.wfile.flush()
        state.gate.wait(30)
        handler.wfile.write(body[half:])
