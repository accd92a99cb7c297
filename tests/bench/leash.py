"""Runs a program that ends with the process that started it, however that ends: also by `kill -9`, where Linux says so.

Run as a script with the starter's process id, then the program and its arguments.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1


def main(owner: str, *command: str) -> NoReturn:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(owner):
        sys.exit("the owner ended before the program began")
    os.execvp(command[0], command)  # noqa: S606  # no shell is the point


if __name__ == "__main__":
    main(*sys.argv[1:])
