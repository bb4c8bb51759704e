"""Files from an ASGI application, by the shortest way that its server knows.

::

    app = zcio.asgi.Files("/srv/www")                    # a folder, as an application
    app = zcio.asgi.FileResponse("large.bin")            # one file: an application, and a response of Starlette's
    await zcio.asgi.send_file("large.bin", scope, receive, send)   # inside another one

The server says in ``scope["extensions"]`` what it can do. A whole file goes by ``http.response.pathsend`` (the server
opens the path), a whole file or parts of it by ``http.response.zerocopysend`` (the server is lent a descriptor), and
everything else in chunks, read in a worker thread until the client has left. granian offers the first, uvicorn both
with ``zcio.uvicorn``; hypercorn offers neither, and its protocol classes are fixed. Conditions (``If-None-Match``,
``If-Modified-Since``, ``If-Match``, ``If-Unmodified-Since``, ``If-Range``), ``Range``, ``HEAD`` and the headers that
belong to them are taken care of, and no header of a request raises. A file that is not there is 404, one that may not
be read 403.

Which file a request may have is the application's business: only ``Files`` looks at ``scope["path"]``.
"""

import functools
import os
import sys
import urllib.parse
from collections.abc import Mapping
from typing import Any, Literal

from zcio._answers import Headers, content_type, disposition, pairs, plain
from zcio._serving import Receive, Send, StrPath, open_below, open_file, respond
from zcio._types import Visibility

__all__ = ["FileResponse", "Files", "send_file"]


async def send_file(
    path: StrPath,
    scope: Mapping[str, Any],
    receive: Receive,
    send: Send,
    *,
    status_code: int = 200,
    headers: Headers | None = None,
    media_type: str | None = None,
    filename: str | None = None,
    content_disposition_type: Literal["attachment", "inline"] = "attachment",
    visibility: Visibility = "aliased",
) -> None:
    """Answers an HTTP request with a file.

    ``headers`` (names in any case; a mapping, or pairs) are added to the response, or replace what it would have, as
    ``etag`` or ``last-modified``, which conditions are about then. With a ``filename`` browsers save the file under
    that name. With a ``status_code`` other than 200 the whole file is sent, whatever was asked for.

    With ``visibility="snapshot"`` it always goes in chunks: a server that is given the file would send the page cache
    itself, where later changes show in what is on its way. ``receive`` is used while chunks are sent. ``OSError`` for
    what is the server's fault, before anything is sent; ``EOFError`` if the file becomes shorter meanwhile.
    """
    _check(scope)
    own = pairs(headers or ())
    if media_type is None and filename is not None and "content-type" not in dict(own):
        media_type = content_type(filename)
    if media_type is not None:
        own = [*(pair for pair in own if pair[0] != "content-type"), *pairs({"content-type": media_type})]
    if filename is not None and "content-disposition" not in dict(own):
        own += pairs({"content-disposition": disposition(filename, content_disposition_type)})
    open_it = functools.partial(open_file, path)
    aliased = _is_aliased(visibility)
    await respond(open_it, path, scope, receive, send, status=status_code, headers=own, aliased=aliased)


class FileResponse:
    """An ASGI application that is one file; see ``send_file``.

    Where Starlette is imported it is a response of Starlette's as well, which an endpoint of FastAPI can return, with
    the arguments of Starlette's own ``FileResponse``.
    """

    # FastAPI, which describes endpoints, asks the class.
    media_type: str | None = None

    def __new__(cls, *_: Any, **__: Any) -> "FileResponse":
        if "starlette.responses" in sys.modules:
            from zcio._starlette import response_class

            return super().__new__(response_class(cls))
        return super().__new__(cls)

    def __init__(
        self,
        path: StrPath,
        *,
        status_code: int = 200,
        headers: Headers | None = None,
        media_type: str | None = None,
        filename: str | None = None,
        content_disposition_type: Literal["attachment", "inline"] = "attachment",
        visibility: Visibility = "aliased",
    ) -> None:
        self.path = path
        self._options: dict[str, Any] = {
            "status_code": status_code,
            "headers": headers,
            "media_type": media_type,
            "filename": filename,
            "content_disposition_type": content_disposition_type,
            "visibility": visibility,
        }

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        await send_file(self.path, scope, receive, send, **self._options)


class Files:
    """An ASGI application that is a folder: the path of a request, below where this is mounted, names a file in it.

    A folder is its ``index.html``. No symbolic link is followed, and a name that begins with a dot is not there.
    ``cache_control`` is the response's header of that name.
    """

    def __init__(
        self, directory: StrPath, *, cache_control: str | None = None, visibility: Visibility = "aliased"
    ) -> None:
        self.directory = os.path.abspath(directory)  # noqa: PTH100
        self._headers = pairs({} if cache_control is None else {"cache-control": cache_control})
        self._aliased = _is_aliased(visibility)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        _check(scope)
        root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
        below = path.removeprefix(root) if path.startswith(root + "/") else path
        names = below.removeprefix("/").split("/")
        names[-1] = names[-1] or "index.html"
        # Nothing of it ends the header.
        query = urllib.parse.quote(scope.get("query_string", b""), safe="!$%&'()*+,/:;=?@[]")
        # What the path of a request was in bytes; of no other host, because each of its names was there.
        location = urllib.parse.quote(path, errors="replace") + "/" + (f"?{query}" if query else "")
        await respond(
            functools.partial(open_below, self.directory, names),
            os.path.join(self.directory, *names),  # noqa: PTH118
            scope,
            receive,
            send,
            status=200,
            headers=self._headers,
            aliased=self._aliased,
            folder=plain(307, scope["method"].upper(), {"location": location}),
        )


def _check(scope: Mapping[str, Any]) -> None:
    if scope["type"] != "http":
        raise ValueError(f"a file is an answer to an HTTP request, not to {scope['type']!r}")


def _is_aliased(visibility: Visibility) -> bool:
    if visibility not in ("aliased", "snapshot"):
        raise ValueError(f'unknown visibility {visibility!r}; it is "aliased" or "snapshot"')
    return visibility == "aliased"
