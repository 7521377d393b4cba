"""A server that takes Jobs as Kubernetes' API does, keeps what it is sent, and says that every Job has failed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml


@contextmanager
def kubernetes(folder: Path) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    """The server while this lasts: the file that leads kubectl's library to it, and the objects that it was sent."""
    sent: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.answer(sent[-1], 201)

        def do_GET(self) -> None:
            if "/jobs/" in self.path:
                self.answer({"metadata": {}, "status": {"failed": 1}})
            else:
                self.answer({"metadata": {}, "items": []})

        def do_DELETE(self) -> None:
            self.answer({"kind": "Status", "status": "Success"})

        def answer(self, values: dict[str, Any], status: int = 200) -> None:
            content = json.dumps(values).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "drawn",
        "contexts": [{"name": "drawn", "context": {"cluster": "drawn", "user": "drawn"}}],
        "clusters": [{"name": "drawn", "cluster": {"server": address}}],
        "users": [{"name": "drawn", "user": {}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(told), encoding="utf-8")
    try:
        yield path, sent
    finally:
        server.shutdown()
