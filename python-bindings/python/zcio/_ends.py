"""Which objects are ends: those whose bytes are the bytes of their descriptor, unchanged, and nothing else.

A ``fileno()`` does not show that. A response of urllib3 has read ahead and knows where the body ends, a writer of
zstandard compresses, the socket of an asyncio transport may be below TLS: what goes past such an object is lost,
corrupts a stream, or is read by a stranger. So the objects that are let through are listed here, and everything that
takes an object asks here. Who knows better passes the number.
"""

import io
from socket import SocketIO
from typing import Any, TypeAlias

File: TypeAlias = io.FileIO | io.BufferedReader | io.BufferedWriter | io.BufferedRandom
_Name: TypeAlias = tuple[str, str]

# Classes by the names they have where they are defined, so that no library is imported for them, and the attribute with
# the file or socket to which each passes everything on.
_TRANSPARENT: dict[_Name, str | None] = {
    ("_io", "FileIO"): None,
    ("_io", "BufferedReader"): "raw",
    ("_io", "BufferedWriter"): "raw",
    ("_io", "BufferedRandom"): "raw",
    ("_socket", "socket"): None,
    ("socket", "SocketIO"): "_sock",
    ("socketserver", "_SocketWriter"): "_sock",
    ("tempfile", "_TemporaryFileWrapper"): "file",
    ("tempfile", "SpooledTemporaryFile"): "_file",
    ("aiofiles.threadpool.binary", "AsyncBufferedIOBase"): "_file",
    ("aiofiles.threadpool.binary", "AsyncBufferedReader"): "_file",
    ("aiofiles.threadpool.binary", "AsyncFileIO"): "_file",
    ("anyio", "AsyncFile"): "wrapped",
    ("anyio._core._fileio", "AsyncFile"): "wrapped",
    ("django.core.files.base", "File"): "file",
    ("fsspec.implementations.local", "LocalFileOpener"): "f",
    ("trio._file_io", "AsyncIOWrapper"): "wrapped",
    ("trio._socket", "_SocketType"): "_sock",
    ("werkzeug.datastructures.file_storage", "FileStorage"): "stream",
}

# Its bytes are those of its descriptor where the kernel encrypts for it. What it has read ahead nobody knows: it is no
# source.
_TLS: _Name = ("ssl", "SSLSocket")
# `socket` has no names for these: linux/tls.h.
_SOL_TLS, _TLS_TX = 282, 1

# Those of asyncio that write to a socket or pipe what they are given. That of a channel of asyncssh has a socket, too.
_TRANSPORTS: frozenset[_Name] = frozenset(
    {
        ("asyncio.selector_events", "_SelectorSocketTransport"),
        ("asyncio.unix_events", "_UnixReadPipeTransport"),
        ("asyncio.unix_events", "_UnixWritePipeTransport"),
        ("uvloop.loop", "ReadUnixTransport"),
        ("uvloop.loop", "TCPTransport"),
        ("uvloop.loop", "UnixTransport"),
        ("uvloop.loop", "WriteUnixTransport"),
    }
)

# What must be that class's own, in a class that was made of it and in an object.
_OWN = frozenset(
    {
        *(
            "__getattribute__",
            "fileno",
            "raw",
            "transport",
            "peek",
            "read",
            "read1",
            "readall",
            "readinto",
            "readinto1",
        ),
        *("recv", "recv_into", "recvmsg", "seek", "send", "sendall", "sendmsg", "tell", "write", "writelines"),
    }
)

_ADVICE: dict[_Name, str] = {
    ("asyncio.trsock", "TransportSocket"): "belongs to a transport, which may encrypt; give the transport to zcio.aio",
    ("uvloop.loop", "PseudoSocket"): "belongs to a transport, which may encrypt; give the transport to zcio.aio",
    ("multiprocessing.connection", "Connection"): "puts a header before each message; use its own methods",
    ("gevent._socket3", "socket"): "only gevent's hub may wait for; give its fileno() to a thread of gevent's pool",
    (
        "eventlet.greenio.base",
        "GreenSocket",
    ): "only eventlet's hub may wait for; give its fileno() to a thread of tpool",
}


def transparent(end: Any, role: str) -> tuple[File | None, Any]:
    """The file that knows the position, if it is one, and the socket whose timeout counts, if it is one.

    ``TypeError`` for any other object, with what to do instead.
    """
    own: set[str] = set()
    for base in type(end).__mro__:
        name = _name(base)
        if name == _TLS and role == "dst" and not (own := _own(end, base)) and _kernel_encrypts(end):
            return None, end
        if name in _TRANSPARENT:
            own = _own(end, base)
            if not own:
                return _inside(end, name, role)
    raise TypeError(f"{role} is {_reason(end, own)}")


def _kernel_encrypts(end: Any) -> bool:
    """Whether the kernel has the keys to send with: then what goes into the descriptor is encrypted on its way."""
    try:
        # Four bytes are answered with the version and the cipher, without the key.
        return len(end.getsockopt(_SOL_TLS, _TLS_TX, 4)) == 4
    except OSError:
        return False


def explained(error: BaseException, end: object, role: str) -> BaseException:
    """What to raise for an error of its ``fileno()``: of most objects that have no descriptor it says nothing else."""
    if not isinstance(error, io.UnsupportedOperation):
        return error
    way = "pass its getbuffer(), or use" if isinstance(end, io.BytesIO) else "use"
    words = f"{role} is a '{type(end).__name__}', which has no file descriptor; {way} shutil.copyfileobj()"
    found = io.UnsupportedOperation(words)
    found.__cause__ = error
    return found


def transparent_stream(end: object, base: type) -> None:
    """``TypeError`` for a stream of that class, a reader or writer, that reads or writes in a way of its own."""
    if own := _own(end, base):
        raise TypeError(f"this is {_reason(end, own)}")


def transparent_transport(transport: Any) -> None:
    """``TypeError`` for a transport whose bytes are not those of its socket or pipe."""
    tls = transport.get_extra_info("sslcontext") is not None
    if not tls and _name(type(transport)) not in _TRANSPORTS:
        raise TypeError(
            f"this is a '{type(transport).__name__}', whose bytes are, for all that zcio knows, not those of its "
            "socket; write to it instead"
        )
    # Below TLS that was started later it is an ordinary one, with a protocol that encrypts.
    if tls or type(transport.get_protocol()).__name__ == "SSLProtocol":
        raise TypeError(
            "this is a TLS stream, and zcio works below TLS: its bytes would go around the encryption. The kernel "
            "cannot encrypt for asyncio, whose TLS goes over buffers in memory; it can for a blocking ssl socket in a "
            "thread"
        )


def _name(kind: type) -> _Name:
    return kind.__module__, kind.__qualname__


def _own(end: object, base: type) -> set[str]:
    """What it does in a way of its own, and not in that of this class."""
    own = {name for kind in type(end).__mro__ if kind not in base.__mro__ for name in kind.__dict__ if name in _OWN}
    # Other classes keep methods of what they wrap among an object's attributes.
    if base.__module__ in {"_io", "_socket", "asyncio.streams"}:
        own |= _OWN & getattr(end, "__dict__", {}).keys()
    return own


def _inside(end: Any, name: _Name, role: str) -> tuple[File | None, Any]:
    attribute = _TRANSPARENT[name]
    if attribute is None:
        return (None, end) if name[0] == "_socket" else (end, None)
    inner = getattr(end, attribute)
    file, socket = transparent(inner, role)
    if attribute == "raw":
        if not isinstance(inner, io.FileIO | SocketIO):
            raise TypeError(f"{role} is {_reason(end, set())}")
        file = end
    if socket is not None and name[0] in {"_io", "socket", "socketserver"}:
        # The socket itself would do either.
        if role == "src" and not end.readable():
            raise io.UnsupportedOperation("src is not open for reading")
        if role == "dst" and not end.writable():
            raise io.UnsupportedOperation("dst is not open for writing")
    return file, socket


def _reason(end: Any, own: set[str]) -> str:
    if isinstance(end, io.TextIOBase):
        return (
            "a file in text mode, whose bytes and position are not the file's; open it in binary mode, or use its "
            ".buffer"
        )
    if hasattr(end, "cipher") or hasattr(end, "get_cipher_name"):
        return (
            "a TLS socket, and zcio works below TLS: its bytes would go around the encryption; use its own send and "
            "recv, or, to send, let the kernel encrypt (context.options |= ssl.OP_ENABLE_KTLS, 8 in Python 3.11, "
            "before the handshake)"
        )
    kind = type(end)
    for base in kind.__mro__:
        if advice := _ADVICE.get(_name(base)):
            return f"a '{kind.__name__}', which {advice}"
    why = f"which has a {min(own)}() of its own, so that its" if own else "whose"
    return (
        f"a '{kind.__name__}', {why} bytes are, for all that zcio knows, not those of its descriptor; pass its "
        "fileno() if it is the descriptor's bytes that you want, or use shutil.copyfileobj()"
    )
