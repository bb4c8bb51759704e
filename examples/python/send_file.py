"""Sends a file over TCP and says how: python send_file.py FILE HOST PORT

To receive it: nc -l PORT > copy. The report names the mechanism that was chosen; system_calls shows what it spared.
"""

import socket
import sys

import zcio


def main() -> None:
    """Sends it."""
    if len(sys.argv) != 4:
        sys.exit("usage: send_file.py FILE HOST PORT")
    file, host, port = sys.argv[1:]
    with socket.create_connection((host, int(port))) as connection:
        report = zcio.transfer(file, connection)
    print(f"{report.bytes} bytes by {report.mechanism} in {report.system_calls} system calls")


if __name__ == "__main__":
    main()
