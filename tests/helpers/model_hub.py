"""A Hugging Face hub on this machine that takes and gives models, as far as huggingface_hub asks it: small
files in the commit, weights by LFS.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

TOKEN, COMMIT = "hf_of_a_test", "1234567890abcdef1234567890abcdef12345678"


class ModelHub:
    """`repos`: name -> its files. `private`: name -> whether it is. `fails`: the status of every answer."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.stored: dict[str, bytes] = {}  # SHA-256 -> what LFS has
        self.fails: int | None = None
        self.url = ""


@contextmanager
def serving() -> Iterator[ModelHub]:
    hub = ModelHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": hub}))
    Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: ModelHub

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(b"")

    def do_GET(self):
        self._answer(b"")

    def do_POST(self):
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    do_PUT = do_POST

    def _answer(self, body: bytes):
        path, hub = self.path.partition("?")[0], self.hub
        if hub.fails:
            return self._send(b"", hub.fails)
        if found := re.fullmatch("/lfs/([0-9a-f]{64})", path):
            assert hashlib.sha256(body).hexdigest() == found[1]
            hub.stored[found[1]] = body
            return self._send(b"")
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._send(b"", 401, {"X-Error-Code": "RepoNotFound"})
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        for pattern, answer in (
            ("/api/models/([^/]+/[^/]+)/preupload/main", self._modes),
            ("/api/models/([^/]+/[^/]+)/commit/main", self._commit),
            ("/([^/]+/[^/]+)[.]git/info/lfs/objects/batch", self._lfs),
        ):
            if found := re.fullmatch(pattern, path):
                return answer(found[1], body)
        if found := re.fullmatch("/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            return self._file(found[1], found[2])
        found = re.fullmatch("/api/models/([^/]+/[^/]+?)(/revision/[^/]+|/tree/.+)?", path)
        if not found or found[1] not in hub.repos:
            return self._send(b"", 404, {"X-Error-Code": "RepoNotFound"})
        files = hub.repos[found[1]]
        if (found[2] or "").startswith("/tree/"):
            listed = [
                {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                for name, data in files.items()
            ]
            return self._json(listed)
        siblings = [{"rfilename": name} for name in files]
        info = {"id": found[1], "sha": COMMIT, "private": hub.private[found[1]], "siblings": siblings}
        return self._json(info)

    def _create(self, asked: dict):
        repo = f"{asked.get('organization') or 'anna'}/{asked['name']}"
        if repo in self.hub.repos:
            return self._json({"error": "exists", "url": f"{self.hub.url}/{repo}"}, 409)
        self.hub.repos[repo] = {}
        self.hub.private[repo] = asked.get("private") or asked.get("visibility") == "private"
        return self._json({"url": f"{self.hub.url}/{repo}", "name": repo})

    def _modes(self, repo: str, body: bytes):
        files = [
            {
                "path": one["path"],
                "uploadMode": "lfs" if one["path"].endswith(".safetensors") else "regular",
                "shouldIgnore": False,
                "oid": None,
            }
            for one in json.loads(body)["files"]
        ]
        self._json({"files": files})

    def _lfs(self, repo: str, body: bytes):
        objects = [
            one | {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"}}}
            for one in json.loads(body)["objects"]
        ]
        self._json({"transfer": "basic", "objects": objects})

    def _commit(self, repo: str, body: bytes):
        files = self.hub.repos[repo]
        for line in map(json.loads, body.decode().splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        url = f"{self.hub.url}/{repo}/commit/{COMMIT}"
        self._json({"success": True, "commitOid": COMMIT, "commitUrl": url, "hookOutput": ""})

    def _file(self, repo: str, name: str):
        data = self.hub.repos.get(repo, {}).get(name)
        if data is None:
            return self._send(b"", 404, {"X-Error-Code": "EntryNotFound"})
        etag = hashlib.sha256(data).hexdigest()
        return self._send(data, headers={"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

    def _json(self, value, status: int = 200):
        self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json"})

    def _send(self, data: bytes, status: int = 200, headers: dict | None = None):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
