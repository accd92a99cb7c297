"""A response that is bytes already: what Starlette does to make bytes of one takes longer than to make the answer."""

from __future__ import annotations

from fastapi import Response

JSON = b"application/json"
Headers = list[tuple[bytes, bytes]]


class Ready(Response):
    """A response like any other; the names of its headers are in lower case, and a body has its media type."""

    def __init__(self, status: int, headers: Headers, body: bytes = b"", media_type: bytes | None = None) -> None:
        """Take it as it is, and tell the length of the body where there is one."""
        if media_type is not None:
            headers += ((b"content-length", b"%d" % len(body)), (b"content-type", media_type))
        self.status_code, self.raw_headers, self.body, self.background = status, headers, body, None
