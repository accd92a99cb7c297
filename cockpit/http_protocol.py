"""How HTTP is spoken: by uvicorn, but an answer that is whole goes out in one write.

uvicorn writes the head and the body of an answer one after the other, which makes two calls of the system of them and
two packets, and searches every header for what cannot be in one by itself: that took longer than most endpoints do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGISendEvent

CONTROLS = bytes([*range(9), *range(10, 32), 127])
"""What no header may have in it. A line of the head ends in two of them."""
OTHERWISE = {b"connection", b"transfer-encoding"}
"""Headers that say how an answer is sent: uvicorn has to read them."""


class Protocol(HttpToolsProtocol):
    """Speaks it on one connection."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        cycle.__class__ = Cycle  # uvicorn makes it, and lets nobody say of which class
        super()._start_asgi_task(cycle, app)


class Cycle(RequestResponseCycle):
    """One request and its answer: the head of one whose length is told waits for the body, which comes at once."""

    _head: bytes | None = None

    async def send(self, message: ASGISendEvent) -> None:
        """Send a part of the answer."""
        head = self._head
        if head is not None:
            self._head = None
            await self._send_whole(head, message)
        elif self.response_started or (head := self._head_of(message)) is None:
            await super().send(message)
        else:
            self._head = head
            self.response_started, self.waiting_for_100_continue = True, False

    def _head_of(self, message: ASGISendEvent) -> bytes | None:
        """Return the head of an answer that has a length and nothing out of the ordinary; None for any other."""
        if message["type"] != "http.response.start" or not self.keep_alive or self.scope["method"] == "HEAD":
            return None
        headers = [*self.default_headers, *message["headers"]]
        by_name = dict(headers)
        length = by_name.get(b"content-length")
        if length is None or self.access_log or not OTHERWISE.isdisjoint(by_name):
            return None
        lines = [b"%b: %b\r\n" % header for header in headers]
        head = b"%b%b\r\n" % (STATUS_LINE[message["status"]], b"".join(lines))
        if len(head) - len(head.translate(None, CONTROLS)) != 2 * (len(lines) + 2):
            return None  # there is what makes two headers of one: it is refused there
        self.expected_content_length, self.chunked_encoding = int(length), False
        return head

    async def _send_whole(self, head: bytes, message: ASGISendEvent) -> None:
        """Send the head, with the body where it is whole."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        body = cast("bytes", message.get("body", b""))
        if message.get("more_body", False) or len(body) != self.expected_content_length:
            self.transport.write(head)
            await super().send(message)
            return
        self.transport.write(head + body)
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:  # it is shutting down since the head was made
            self.transport.close()
        self.on_response()
