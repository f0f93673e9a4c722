"""A small HTTP server on the loopback, for tests of downloads."""

import threading
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class LoopbackServer(ABC):
    """Serves from its making until `close`; what it answers is told by `answer`."""

    def __init__(self) -> None:
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.answer(self)

            def log_message(self, *_: object) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @abstractmethod
    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """To one GET."""

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
