"""``zcio.install()`` and ``zcio.uninstall()``; what they do is in ``_standard``, which takes longer to import."""


def install() -> None:
    """Lets the standard library copy and send files zcio's way, in code that knows nothing of zcio.

    ``socket.socket.sendfile``, ``loop.sendfile`` and ``loop.sock_sendfile`` of asyncio's loops and of loops that have
    none of their own (uvloop's), and ``shutil.copyfile``, ``copy``, ``copy2``, ``copytree`` and ``move``; also where
    they have been imported already. A call that zcio cannot serve is the standard library's, and what was checked,
    returned and raised stays; an ``OSError`` in the middle of the bytes is a ``TransferError`` of the same kind.

    Once is enough, from any thread. ``python -m zcio run program.py`` does it before an unchanged program begins. A new
    process (multiprocessing's spawn) has to do it again; a fork has it.
    """
    from zcio import _standard

    _standard.install()


def uninstall() -> None:
    """Undoes ``install()``. A function that somebody has put on top of zcio's stays, and leads to the standard
    library's."""
    import sys

    if standard := sys.modules.get("zcio._standard"):
        standard.uninstall()
