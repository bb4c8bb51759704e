"""zcio.asgi.FileResponse as a response of Starlette's and FastAPI's."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import zcio.asgi
from asgi_requests import ask, never
from support import content

DATA = content(700_001)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "page.html"
    found.write_bytes(DATA)
    return found


def test_a_websocket_is_refused_with_a_file(path: Path) -> None:
    pytest.importorskip("starlette.responses")
    make: Any = zcio.asgi.FileResponse
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {"type": "websocket", "headers": [], "extensions": {"websocket.http.response": {}}}
    asyncio.run(make(path, 401)(scope, never, send))
    assert {message["type"] for message in messages[1:]} == {"websocket.http.response.body"}
    assert (messages[0]["type"], messages[0]["status"]) == ("websocket.http.response.start", 401)
    assert b"".join(message["body"] for message in messages[1:]) == DATA


def test_starlette_and_fastapi(path: Path) -> None:
    pytest.importorskip("fastapi")
    from fastapi import FastAPI
    from fastapi.responses import JSONResponse
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.responses import Response as StarletteResponse
    from starlette.routing import Mount, Route

    app = FastAPI()
    ran: list[int] = []

    @app.get("/file")
    async def file() -> Any:
        make: Any = zcio.asgi.FileResponse
        response = make(path, background=BackgroundTask(ran.append, 1), filename="f")
        response.headers["X-Added"] = "yes"
        response.set_cookie("a", "b")
        return response

    class Mine(zcio.asgi.FileResponse):
        def __init__(self, name: str) -> None:
            super().__init__(path.with_name(name), headers={"x-mine": "yes"})

    @app.get("/mine")
    async def mine() -> Any:
        return Mine("page.html")

    @app.post("/posted")
    async def posted() -> Any:
        return zcio.asgi.FileResponse(path)

    @app.get("/class", response_class=zcio.asgi.FileResponse)  # type: ignore[arg-type]
    async def by_class() -> Any:
        return str(path)

    answer = ask(app, "/file")
    assert (answer.status, answer.body, ran) == (200, DATA, [1])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-added"] == "yes"
    assert answer.headers["set-cookie"].startswith("a=b")
    assert answer.headers["content-disposition"] == 'attachment; filename="f"'
    assert ask(app, "/class").body == DATA
    answer = ask(app, "/mine")
    assert (answer.status, answer.body, answer.headers["x-mine"]) == (200, DATA, "yes")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert Mine("x").headers["content-type"] == "application/octet-stream"  # type: ignore[attr-defined]
    assert isinstance(Mine("x"), Mine)
    assert type(Mine("x")) is type(Mine("x"))
    answer = ask(app, "/posted", "POST", headers=[("range", "bytes=0-0"), ("if-match", '"x"')])
    assert (answer.status, answer.body) == (200, DATA)
    assert ask(app, "/openapi.json").status == 200
    assert isinstance(zcio.asgi.FileResponse(path), StarletteResponse)
    assert not isinstance(JSONResponse({}), zcio.asgi.FileResponse)

    async def endpoint(_: Any) -> Any:
        make: Any = zcio.asgi.FileResponse
        return make(path, 201, {"x-a": "b"}, "text/plain")

    mounted: Callable[..., Awaitable[None]] = Starlette(
        routes=[Route("/file", endpoint), Mount("/www", zcio.asgi.Files(path.parent))]
    )
    answer = ask(mounted, "/file")
    # Text has the charset that every response of Starlette's has.
    assert (answer.status, answer.headers["x-a"], answer.headers["content-type"]) == (
        201,
        "b",
        "text/plain; charset=utf-8",
    )
    assert ask(mounted, "/www/page.html").body == DATA
    assert ask(mounted, "/www/none").status == 404
