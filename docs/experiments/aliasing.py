"""Who has the pages? The file is changed after the transfer has returned and before the receiver reads."""

import socket
import sys
import tempfile

import zcio

for way in sys.argv[1:]:
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.NamedTemporaryFile(dir=".") as file:
        file.write(b"pay 100 to Alice")
        file.flush()
        with socket.create_connection(server.getsockname()) as sender:
            receiver, _ = server.accept()
            with receiver:
                zcio.transfer(file.name, sender, mechanism=way)  # type: ignore[arg-type]
                file.seek(0)
                file.write(b"pay 999 to Trudy")
                file.flush()
                arrived = receiver.recv(100).decode()
    shared = "the receiver has the file's own pages" if "Trudy" in arrived else "the bytes had been copied"
    print(f"{way}: {arrived!r} arrived: {shared}")
