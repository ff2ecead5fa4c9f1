"""A token server: client credentials in, a token without a signature out, for as long as it is asked to live."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

SECRET = "the client's secret"
PATH = "/token"


class TokenServer:
    """``given`` counts its tokens; while ``away`` it answers with 503."""

    def __init__(self, *, seconds: float) -> None:
        self.seconds, self.given, self.away = seconds, 0, False
        self.forms: list[dict[str, list[str]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{PATH}"

    @contextmanager
    def running(self) -> Iterator["TokenServer"]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def answer(self, authorization: str, form: bytes) -> tuple[int, dict[str, Any]]:
        self.forms.append(parse_qs(form.decode()))
        name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if self.away:
            return 503, {"error": "temporarily_unavailable"}
        if secret != SECRET.replace("'", "%27").replace(" ", "+"):
            return 401, {"error": "invalid_client"}
        self.given += 1
        return 200, {"access_token": token(name, self.seconds), "token_type": "Bearer", "expires_in": self.seconds}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"]))
                status, said = outer.answer(self.headers["Authorization"], form)
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        return Handler


def token(subject: str, seconds: float) -> str:
    """A JWT with ``alg: none``."""
    now = time.time()
    claims = {"sub": subject, "iat": now, "exp": now + seconds}
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "none"}, claims))
    return b".".join(parts).decode() + "."
