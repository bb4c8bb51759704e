"""Whose pages arrive? The file is changed after the transfer and before the read."""

import socket
import sys
import tempfile

import zcio

for name in sys.argv[1:]:
    way = next(way for way in zcio.MECHANISMS if way == name)
    with (
        tempfile.NamedTemporaryFile(dir=".") as file,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as sender,
    ):
        file.write(b"pay 100 to Alice")
        file.flush()
        receiver, _ = server.accept()
        zcio.transfer(file.name, sender, mechanism=way)
        file.seek(0)
        file.write(b"pay 999 to Trudy")
        file.flush()
        arrived = receiver.recv(100).decode()
        receiver.close()
    pages = "the file's own pages" if "Trudy" in arrived else "a copy"
    print(f"{way}: {arrived!r} arrived: the receiver has {pages}")
