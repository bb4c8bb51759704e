"""Copies a file, shows how far it is, and says how it was done: python copy_file.py FROM TO

The copy takes the place of TO in one moment and is on its disk when the program ends. Where the file system can share
blocks (XFS, btrfs) it takes no time and no room.
"""

import sys

import zcio


def main() -> None:
    """Copies it."""
    if len(sys.argv) != 3:
        sys.exit("usage: copy_file.py FROM TO")
    report = zcio.copy(
        sys.argv[1],
        sys.argv[2],
        preserve_mode=True,
        preserve_times=True,
        replace=True,
        fsync=True,
        progress=lambda done: print(f"\r{done >> 20} MiB", end="", file=sys.stderr),
    )
    how = "sharing its blocks" if report.cloned else f"by {report.mechanism}"
    print(f"\n{report.bytes} bytes {how}, {report.holes} bytes of holes")


if __name__ == "__main__":
    main()
