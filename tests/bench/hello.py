"""The limit: an ASGI application that only says hello, served as the service is.

It reads the body of a POST to its end, and answers as much as an entity with three details takes.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

ENTITY = (
    b'{"id":123456789012,"entity_uid":"4f8c10a3-029a-4cec-b324-2faaac7f8c45","display_name":"Somebody 1",'
    b'"entity_type":"PERSON","entity_details":[]}'
)
BODY = ENTITY + b" " * (900 - len(ENTITY))
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
Message = MutableMapping[str, Any]


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    if scope["type"] != "http":
        return
    is_post = scope["method"] == "POST"
    while is_post and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 201 if is_post else 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


def main() -> None:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    print(f"http://127.0.0.1:{listening.getsockname()[1]} ", flush=True)  # noqa: T201
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
