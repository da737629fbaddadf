"""A stand-in for Google Cloud Storage: gs:// for fsspec, and for TensorStore by HTTP, over the same objects.

Like the real one it replaces objects whole, creates them only where they are absent if so asked, and knows no renames.
"""

import io
import json
import os
import sys
import threading
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

import fsspec
from fsspec.spec import AbstractFileSystem


class Store:
    """Objects by name, and how often each name was written."""

    def __init__(self):
        self.objects, self.generations, self.lock = {}, {}, threading.Lock()

    def put(self, name, data, generation=None):
        """Writes an object; with a generation only over that one, 0 where there is none. Returns whether it did."""
        with self.lock:
            now = self.generations.get(name, 0) if name in self.objects else 0
            if generation is not None and generation != now:
                return False
            self.objects[name] = bytes(data)
            self.generations[name] = self.generations.get(name, 0) + 1
            return True

    def describe(self, name):
        return {
            "name": name, "bucket": "bucket", "generation": str(self.generations[name]), "metageneration": "1",
            "size": str(len(self.objects[name])), "timeCreated": "2020-01-01T00:00:00Z",
            "updated": "2020-01-01T00:00:00Z",
        }  # fmt: skip


STORE = Store()


class Files(AbstractFileSystem):
    """What gcsfs does, as far as it is asked to."""

    protocol = ("gcs", "gs")

    def ls(self, path, detail=True, **_):
        bucket, _, key = self._strip_protocol(path).rstrip("/").partition("/")
        if key in STORE.objects:
            entries = {key: "file"}
        else:
            entries, start = {}, f"{key}/" if key else ""
            for name in list(STORE.objects):
                if name.startswith(start):
                    first, inner, _ = name[len(start) :].partition("/")
                    entries[start + first] = "directory" if inner else "file"
            if not entries:
                raise FileNotFoundError(path)
        found = [
            {"name": f"{bucket}/{name}", "type": kind, "size": len(STORE.objects.get(name, b""))}
            for name, kind in entries.items()
        ]
        return found if detail else [entry["name"] for entry in found]

    def mkdir(self, path, create_parents=True, **_):
        """Folders are the beginnings of names."""

    makedirs = mkdir

    def _open(self, path, mode="rb", **_):
        key = path.partition("/")[2]
        if "r" in mode:
            if key not in STORE.objects:
                raise FileNotFoundError(path)
            return io.BytesIO(STORE.objects[key])
        return Upload(key)

    def rm_file(self, path):
        STORE.objects.pop(path.partition("/")[2], None)

    def pipe_file(self, path, value, mode="overwrite", **_):
        if not STORE.put(self._strip_protocol(path).partition("/")[2], value, 0 if mode == "create" else None):
            raise FileExistsError(path)

    def cp_file(self, *_, **__):
        raise AssertionError("nothing may be renamed or copied in a store")

    mv = cp_file


class Upload(io.BytesIO):
    """An object that is there once it is closed."""

    def __init__(self, key):
        super().__init__()
        self.key = key

    def close(self):
        if not self.closed:
            STORE.put(self.key, self.getvalue())
        super().close()


class Requests(BaseHTTPRequestHandler):
    """The JSON API, as far as TensorStore uses it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Says nothing."""

    def asked(self):
        url = urlsplit(self.path)
        return unquote(url.path.partition("/o/")[2]), dict(parse_qsl(url.query))

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in (headers | {"Content_Length": len(body)}).items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        name, query = self.asked()
        if not name:
            within = [n for n in sorted(STORE.objects) if n.startswith(query.get("prefix", ""))]
            return self.answer(200, json.dumps({"items": [STORE.describe(n) for n in within]}).encode())
        if name not in STORE.objects:
            return self.answer(404)
        data, generation = STORE.objects[name], str(STORE.generations[name])
        if query.get("ifGenerationNotMatch") == generation:
            return self.answer(304)
        if query.get("alt") != "media":
            return self.answer(200, json.dumps(STORE.describe(name)).encode())
        if "Range" not in self.headers:
            return self.answer(200, data, x_goog_generation=generation)
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        first, last = (int(first), int(last or len(data))) if first else (len(data) - int(last), len(data))
        last = min(last, len(data) - 1)
        there = f"bytes {first}-{last}/{len(data)}"
        return self.answer(206, data[first : last + 1], x_goog_generation=generation, Content_Range=there)

    def do_POST(self):
        _, query = self.asked()
        data = self.rfile.read(int(self.headers["Content-Length"]))
        generation = query.get("ifGenerationMatch")
        if not STORE.put(query["name"], data, None if generation is None else int(generation)):
            return self.answer(412)
        return self.answer(200, json.dumps(STORE.describe(query["name"])).encode())

    def do_DELETE(self):
        STORE.objects.pop(self.asked()[0], None)
        self.answer(204)


def install():
    """From now on gs:// is the stand-in for fsspec."""
    for name in Files.protocol:
        fsspec.register_implementation(name, Files, clobber=True)


def install_for_checkpoints():
    """... and for TensorStore and orbax; before either is imported, so in a process of its own."""
    install()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["TENSORSTORE_GCS_HTTP_URL"] = f"http://127.0.0.1:{server.server_port}"
    os.environ["GOOGLE_AUTH_TOKEN_FOR_TESTING"] = "none"
    import google

    client = types.SimpleNamespace(get_bucket=lambda name: types.SimpleNamespace(hierarchical_namespace_enabled=False))
    storage = types.SimpleNamespace(Client=lambda: client)
    google.cloud = types.SimpleNamespace(storage=storage)
    sys.modules |= {"google.cloud": google.cloud, "google.cloud.storage": storage}
