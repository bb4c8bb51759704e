"""``zcio.asgi.FileResponse`` as a response of Starlette's; only imported where Starlette is."""

import os
from collections.abc import Mapping
from typing import Any, Literal

from starlette.responses import Response

from zcio._answers import Headers, content_type, pairs, with_charset
from zcio._serving import Message, Receive, Send, StrPath
from zcio._types import Visibility
from zcio.asgi import FileResponse


def response_class(cls: type[FileResponse]) -> type[FileResponse]:
    """That class, or one made of it, as one of Starlette's responses."""
    if issubclass(cls, Response):
        return cls
    if cls not in _made:
        names = {"__module__": cls.__module__, "__doc__": cls.__doc__}
        _made[cls] = type(cls.__name__, (cls, StarletteFileResponse), names)
    return _made[cls]


class StarletteFileResponse(FileResponse, Response):
    """With the arguments of Starlette's own ``FileResponse``, in their order.

    ``stat_result`` is not used: the file that is opened is asked.
    """

    def __init__(
        self,
        path: StrPath,
        status_code: int = 200,
        headers: Headers | None = None,
        media_type: str | None = None,
        background: Any = None,
        filename: str | None = None,
        stat_result: os.stat_result | None = None,
        content_disposition_type: Literal["attachment", "inline"] = "attachment",
        *,
        visibility: Visibility = "aliased",
    ) -> None:
        del stat_result
        super().__init__(
            path,
            filename=filename,
            content_disposition_type=content_disposition_type,
            visibility=visibility,
        )
        self.status_code = status_code
        self.media_type = media_type or content_type(filename or path)
        self.background = background
        self.body = b""
        own = pairs(headers or ())
        if "content-type" not in dict(own):
            own.append(("content-type", with_charset(self.media_type, self.charset)))
        # What an endpoint or a dependency adds, cookies too, is added here.
        self.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in own]

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw_headers]
        if scope["type"] == "websocket":
            # A WebSocket that is refused: in the server's words for that, and the request has asked for no file.
            plain_send = send

            async def send(message: Message) -> None:
                await plain_send({**message, "type": f"websocket.{message['type']}"})

            scope = {"type": "http", "method": "GET", "headers": []}
        elif "endpoint" in scope and scope["method"].upper() not in {"GET", "HEAD"}:
            # The endpoint has answered for this method, and its answer is the file.
            scope = {**scope, "method": "GET", "headers": []}
        self._options.update(status_code=self.status_code, headers=headers)
        await super().__call__(scope, receive, send)
        if self.background is not None:
            await self.background()


_made: dict[type[FileResponse], type[FileResponse]] = {FileResponse: StarletteFileResponse}
