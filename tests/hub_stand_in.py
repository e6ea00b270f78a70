"""A stand-in for the Hub's HTTP API on this machine: as much of it as an upload without Xet asks for."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class HubStandIn:
    """What was sent to it.

    Args:
        token: The only one that may write.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self.repositories: dict[str, str] = {}
        """Visibility by name."""
        self.files: dict[str, bytes] = {}
        self.commits: list[str] = []
        self.broken = False
        """Whether uploads of large files fail."""
        self.blobs: dict[str, bytes] = {}
        self.url = ""

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """The status and the JSON that a request gets."""
        if method == "PUT":  # a large file; the address is the permission
            self.blobs[path.removeprefix("/blob/")] = body
            return (500, {"error": "the disk is on fire"}) if self.broken else (200, {})
        if token != f"Bearer {self.token}":
            return 401, {"error": "Invalid credentials"}
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            known = name in self.repositories
            self.repositories.setdefault(name, asked["visibility"])
            told = {"url": f"{self.url}/{name}", "name": name}
            return (409, {**told, "error": "You already created this model repo"}) if known else (200, told)
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if "/preupload/" in path:
            files = json.loads(body)["files"]
            large = [file["path"].endswith(".safetensors") for file in files]
            modes = ["lfs" if one else "regular" for one in large]
            return 200, {
                "files": [
                    {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
                    for file, mode in zip(files, modes, strict=True)
                ]
            }
        if path.endswith(".git/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            return 200, {
                "transfer": "basic",
                "objects": [
                    {**one, "actions": {"upload": {"href": f"{self.url}/blob/{one['oid']}"}}} for one in objects
                ],
            }
        if "/commit/" in path:
            return 200, self._commit([json.loads(line) for line in body.splitlines()])
        return 404, {"error": f"{method} {path} is not known here"}

    def _commit(self, lines: list[dict[str, Any]]) -> dict[str, Any]:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                blob = self.blobs[value["oid"]]
                assert hashlib.sha256(blob).hexdigest() == value["oid"]
                self.files[value["path"]] = blob
            elif line["key"] == "header":
                self.commits.append(value["summary"])
        return {"commitUrl": f"{self.url}/me/tiny/commit/0", "commitOid": "0"}


@contextmanager
def hub(token: str) -> Iterator[HubStandIn]:
    """Serve a stand-in on a free port of this machine while a block runs."""
    stand_in = HubStandIn(token)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            status, told = stand_in.answer(self.command, path, self.headers.get("Authorization", ""), body)
            text = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_HEAD = _answer

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
