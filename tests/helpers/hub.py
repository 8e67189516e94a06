"""A Hugging Face hub on this machine, with one data set, as far as huggingface_hub asks it."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

REPO, COMMIT = "someone/faces", "1234567890abcdef1234567890abcdef12345678"


class Hub:
    """`files` by name. `asked` holds (method, file, first byte) of each request for a file.

    `gated`: nobody is let in. `breaks_at`: after so many bytes in all every answer ends. `flips`: files of
    which other bytes are sent than stated.
    """

    def __init__(self, files: dict[str, bytes]):
        self.files = files
        self.asked: list[tuple[str, str, int]] = []
        self.gated = False
        self.breaks_at: int | None = None
        self.flips: set[str] = set()
        self.url = ""


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Hub]:
    hub = Hub(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": hub}))
    Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, body: bool):
        path = self.path.partition("?")[0]
        resolve = f"/datasets/{REPO}/resolve/{COMMIT}/"
        if path in (f"/api/datasets/{REPO}/revision/{rev}" for rev in ("main", COMMIT)):
            return self._send(json.dumps(self._listing()).encode(), body)
        if path.startswith(f"/api/datasets/{REPO}/revision/"):
            return self._refuse(404, "RevisionNotFound")
        if not path.startswith(resolve):
            return self._refuse(404, "RepoNotFound")
        if self.hub.gated:
            return self._refuse(401, "GatedRepo")
        return self._send_file(path.removeprefix(resolve), body)

    def _listing(self) -> dict:
        siblings = [
            {
                "rfilename": name,
                "size": len(data),
                "blobId": "0" * 40,
                "lfs": {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 130},
            }
            for name, data in self.hub.files.items()
        ]
        return {"id": REPO, "sha": COMMIT, "siblings": siblings}

    def _send_file(self, name: str, body: bool):
        data = self.hub.files[name]
        etag = hashlib.sha256(data).hexdigest()
        first = int(self.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
        self.hub.asked.append((self.command, name, first))
        if name in self.hub.flips:
            data = bytes(255 - byte for byte in data)
        headers = {"ETag": f'"{etag}"', "X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(data))}
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        self._send(data[first:], body, 206 if first else 200, {"X-Repo-Commit": COMMIT, **headers})

    def _send(self, data: bytes, body: bool, status: int = 200, headers: dict | None = None):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if not body:
            return
        if headers and self.hub.breaks_at is not None and len(data) > self.hub.breaks_at:
            data, self.close_connection = data[: self.hub.breaks_at], True
        self.wfile.write(data)

    def _refuse(self, status: int, code: str):
        self._send(b"", False, status, {"X-Error-Code": code})
