"""``python -m zcio`` and the console script: the ``zcio`` command, as in the Rust crate and in the jar, and ``run``."""

import sys

from zcio import _zcio


def main() -> int:
    """Run the command with this process's arguments and return its exit code."""
    if sys.argv[1:2] == ["run"]:
        from zcio._run import run

        return run(sys.argv[2:])
    return _zcio.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
