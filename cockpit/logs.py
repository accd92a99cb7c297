"""One structured line a request and a batch: JSON where programs read it, colours where people do."""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
from functools import partial
from typing import Any, TextIO, cast

import msgspec
import structlog

from cockpit.clock import clock

encode = msgspec.json.Encoder(enc_hook=repr).encode


def configure(level: str) -> None:
    """Send every log line, ours and the libraries', to standard error."""
    least = logging.getLevelNamesMapping()[level.upper()]
    wrapper = structlog.make_filtering_bound_logger(least)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
            if sys.stderr.isatty()
            else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=wrapper if sys.stderr.isatty() or least > logging.INFO else _quick(wrapper),
        logger_factory=partial(lambda lines, *_: lines, Lines(sys.stderr)),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s", force=True)
    for name in ("psycopg.pool", "python_multipart"):  # what they warn of, we tell of ourselves
        logging.getLogger(name).setLevel(logging.ERROR)


class Lines:
    """Writes lines in their order: those of one turn of the event loop together, as to write takes longer than to make.

    Nobody waits for a line, and no request fails because of one: what cannot be written is told by the loop.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lines: list[str] = []
        atexit.register(self._write)

    def msg(self, line: str) -> None:
        """Write a line, at the end of this turn; at once where no loop runs."""
        self._lines.append(line)
        if len(self._lines) == 1:
            try:
                asyncio.get_running_loop().call_soon(self._write)
            except RuntimeError:
                self._write()

    debug = info = warning = error = critical = exception = msg

    def _write(self) -> None:
        if self._lines:
            text = "\n".join([*self._lines, ""])
            self._lines.clear()
            self._file.write(text)
            self._file.flush()


def _quick(wrapper: type[structlog.typing.BindableLogger]) -> type[structlog.typing.BindableLogger]:
    """Return the wrapper with an `info` of its own: the same line in a third of the time.

    Each request has one. What is bound to a logger is no part of it: nothing here binds anything.
    """

    class Quick(cast("type[Any]", wrapper)):  # type: ignore[misc]  # a class that structlog makes at run time
        def info(self, event: str, **values: object) -> None:
            values |= {"event": event, "level": "info", "timestamp": clock()}
            self._logger.msg(encode(values).decode())

    return Quick
