"""The event loops that zcio.aio is tested on, each with the same few things, and ends for them."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

from support import Pair, content

DATA = content(2_000_000)


class Library(Protocol):
    """The same few things from each library."""

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None: ...

    async def together(self, jobs: Sequence[Callable[[], Awaitable[None]]]) -> None: ...

    async def sleep(self, seconds: float) -> None: ...

    async def for_at_most(self, seconds: float, job: Awaitable[object]) -> bool: ...

    async def until(self, reached: Callable[[], bool], job: Awaitable[object]) -> bool: ...

    async def receive(self, end: socket.socket, size: int) -> bytes: ...

    async def send(self, end: socket.socket, data: bytes) -> None: ...


class Asyncio:
    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run(main())

    async def together(self, jobs: Sequence[Callable[[], Awaitable[None]]]) -> None:
        async with asyncio.TaskGroup() as group:
            for job in jobs:

                async def one(job: Callable[[], Awaitable[None]] = job) -> None:
                    await job()

                group.create_task(one())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def for_at_most(self, seconds: float, job: Awaitable[object]) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await job
        except TimeoutError:
            return False
        return True

    async def until(self, reached: Callable[[], bool], job: Awaitable[object]) -> bool:
        """Cancels it when that is reached, however slow the machine is; whether it was over before."""

        async def run() -> None:
            await job

        task = asyncio.create_task(run())
        while not task.done() and not reached():
            await asyncio.wait([task], timeout=0.005)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return False
        return True

    async def receive(self, end: socket.socket, size: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(end, size)

    async def send(self, end: socket.socket, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(end, data)


class Uvloop(Asyncio):
    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())


class Trio:
    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        import trio

        trio.run(main)

    async def together(self, jobs: Sequence[Callable[[], Awaitable[None]]]) -> None:
        import trio

        async with trio.open_nursery() as nursery:
            for job in jobs:
                nursery.start_soon(job)

    async def sleep(self, seconds: float) -> None:
        import trio

        await trio.sleep(seconds)

    async def for_at_most(self, seconds: float, job: Awaitable[object]) -> bool:
        import trio

        with trio.move_on_after(seconds):
            await job
            return True
        return False

    async def until(self, reached: Callable[[], bool], job: Awaitable[object]) -> bool:
        return await run_until(reached, job)

    async def receive(self, end: socket.socket, size: int) -> bytes:
        import trio

        while True:
            try:
                return end.recv(size)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(end)

    async def send(self, end: socket.socket, data: bytes) -> None:
        import trio

        view = memoryview(data)
        while view:
            try:
                view = view[end.send(view) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(end)


class AnyioOnAsyncio(Asyncio):
    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        import anyio

        anyio.run(main)

    async def for_at_most(self, seconds: float, job: Awaitable[object]) -> bool:
        import anyio

        with anyio.move_on_after(seconds):
            await job
            return True
        return False

    async def until(self, reached: Callable[[], bool], job: Awaitable[object]) -> bool:
        return await run_until(reached, job)


async def run_until(reached: Callable[[], bool], job: Awaitable[object]) -> bool:
    """On trio too, which anyio runs on."""
    import anyio

    over = False

    async def run() -> None:
        nonlocal over
        await job
        over = True

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        while not over and not reached():
            await anyio.sleep(0.005)
        group.cancel_scope.cancel()
    return over


def nonblocking(pair: Pair) -> Pair:
    for end in pair:
        end.setblocking(False)
        # Small enough for a transfer not to disappear in them.
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    return pair


async def receive_all(library: Library, end: socket.socket, pause: float = 0) -> bytes:
    received = bytearray()
    while chunk := await library.receive(end, 256 << 10):
        received += chunk
        if pause:
            await library.sleep(pause)
    return bytes(received)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def with_server(handler: Handler, client: Handler) -> None:
    """One connection between two pairs of streams."""
    served = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
            served.set_result(None)
        except BaseException as error:
            served.set_exception(error)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await client(reader, writer)
        writer.close()
        await served
