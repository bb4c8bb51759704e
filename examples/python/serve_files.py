"""Serves the files of a folder over TCP with asyncio: python serve_files.py FOLDER PORT

A client sends a name and a newline, and gets the file: `printf 'name\\n' | nc localhost PORT`; hundreds can at once.
Whoever stops reading for ten seconds is left, and the log says how far it came.
"""

import asyncio
import sys
from pathlib import Path

import zcio.aio


async def answer(folder: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One client."""
    name = (await reader.readline()).decode(errors="replace").strip()
    job = zcio.aio.Transfer(folder / Path(name).name, writer)
    try:
        async with asyncio.timeout(10):
            await job
    except OSError as error:  # A file that is not there, a client that is gone, and the timeout.
        print(f"{name}: {error!r}", flush=True)
    finally:
        print(f"{name}: {job.bytes} bytes", flush=True)
        writer.close()


async def main() -> None:
    """Serves for ever."""
    if len(sys.argv) != 3:
        sys.exit("usage: serve_files.py FOLDER PORT")
    folder = Path(sys.argv[1])
    server = await asyncio.start_server(lambda *streams: answer(folder, *streams), "127.0.0.1", int(sys.argv[2]))
    async with server:
        print("listening on", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
