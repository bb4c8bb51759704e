"""``wsgi.file_wrapper`` (PEP 3333) that sends a file by ``zcio.transfer``.

An application returns ``zcio.wsgi.file_wrapper(file)`` as its body, or a server puts it into the environment::

    environ["wsgi.file_wrapper"] = zcio.wsgi.file_wrapper

Any server can iterate over it. A server's handler that owns the socket asks it to send itself::

    if isinstance(result, zcio.wsgi.file_wrapper):
        result.send(connection, count=content_length)

``RequestHandler`` is that for the standard library's wsgiref.
"""

from collections.abc import Iterator
from typing import Any, Protocol
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler

from zcio._types import HasFileno, Visibility
from zcio._zcio import transfer

__all__ = ["RequestHandler", "file_wrapper"]


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class file_wrapper(Iterator[bytes]):  # noqa: N801 (the name is PEP 3333's)
    """A file-like object as a response body: iterated over in blocks, or sent to a socket in one call.

    ``visibility`` is as for ``zcio.transfer``.
    """

    def __init__(self, filelike: _Readable, blksize: int = 256 << 10, *, visibility: Visibility = "aliased") -> None:
        self.filelike = filelike
        self.blksize = blksize
        self.visibility = visibility
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if block := self.filelike.read(self.blksize):
            return block
        raise StopIteration

    def send(self, connection: HasFileno, count: int | None = None) -> int | None:
        """Sends the file from its position on, ``count`` bytes at most, and says how many went.

        None if that is not possible, and nothing was sent: the object has no descriptor of its own (``io.BytesIO``, a
        gzip file), or the connection is TLS. Then iterate.
        """
        try:
            return transfer(self.filelike, connection, count=count, visibility=self.visibility).bytes  # type: ignore[arg-type]
        except (TypeError, ValueError, AttributeError) as error:
            # io.UnsupportedOperation is a ValueError. Each of these comes before the first byte, but for what a signal
            # handler raises, which has a count then.
            if getattr(error, "moved", 0):
                raise
            return None


class _Handler(ServerHandler):
    """wsgiref's, with files sent from the page cache to the socket."""

    # wsgiref's own attributes, which its annotations leave out.
    wsgi_file_wrapper: Any = file_wrapper
    result: Any
    headers: Any
    bytes_sent: int
    request_handler: WSGIRequestHandler
    connection: HasFileno

    def sendfile(self) -> bool:
        """Called when the application has returned a ``file_wrapper``; False lets it be iterated over."""
        body: Any = self.result
        length = self.headers.get("Content-Length") if self.headers is not None else None
        if length is None or not _is_plain(body.filelike):
            return False
        self.send_headers()
        self.stdout.flush()
        sent = body.send(self.connection, int(length))
        if sent is not None:
            self.bytes_sent += sent
        return sent is not None


def _is_plain(filelike: object) -> bool:
    """Whether it has a descriptor; ``io.BytesIO`` says no by raising."""
    try:
        return isinstance(filelike.fileno(), int)  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False


class RequestHandler(WSGIRequestHandler):
    """For the standard library's server: ``make_server(host, port, app, handler_class=zcio.wsgi.RequestHandler)``."""

    def handle(self) -> None:
        """Answers one request."""
        self.raw_requestline = self.rfile.readline(65537)
        if len(self.raw_requestline) > 65536:
            self.requestline = self.request_version = self.command = ""
            self.send_error(414)
            return
        if not self.parse_request():
            return
        out: Any = self.wfile
        handler = _Handler(self.rfile, out, self.get_stderr(), self.get_environ(), multithread=False)
        handler.request_handler = self
        handler.connection = self.connection
        server: Any = self.server
        handler.run(server.get_app())
