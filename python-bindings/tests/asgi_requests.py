"""Requests to an ASGI application without a server."""

import asyncio
import os
from pathlib import Path
from typing import Any


class Answer:
    """What an application says to a request."""

    def __init__(self) -> None:
        self.status = 0
        self.raw: list[tuple[bytes, bytes]] = []
        self.body = b""

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode("latin-1") for name, value in self.raw}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.raw = message["status"], list(message["headers"])
        elif message["type"] == "http.response.zerocopysend":
            self.body += os.pread(message["file"].fileno(), message["count"], message["offset"])
        elif message["type"] == "http.response.pathsend":
            self.body += Path(message["path"]).read_bytes()
        else:
            self.body += message["body"]


async def never() -> Any:
    await asyncio.Event().wait()


def ask(app: Any, target: str = "/", method: str = "GET", *, headers: Any = (), **scope: Any) -> Answer:
    answer = Answer()
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    asked = {"type": "http", "method": method, "path": target, "headers": raw, "query_string": b"", **scope}
    asyncio.run(app(asked, never, answer.send))
    return answer
