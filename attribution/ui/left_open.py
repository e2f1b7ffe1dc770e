"""What the socket of a page whose session is over may still do: run again, and soon no more.

It is let in so that the page is emptied. Streamlit would do for it whatever a message asks, such as
clearing what all readers have in the cache.
"""

import asyncio

from google.protobuf.message import DecodeError
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

# A page that comes back runs at once; what it is told then is drawn long before.
SECONDS = 10.0
OVER = 4401


async def emptied(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Let a page hear from the app that its session is over, then close its socket."""
    end = asyncio.get_running_loop().time() + SECONDS
    struck = False

    async def heard() -> Message:
        nonlocal struck
        try:
            async with asyncio.timeout_at(end):
                while True:
                    message = await receive()
                    if message["type"] != "websocket.receive" or _runs(message):
                        return message
        except TimeoutError:
            struck = True
            return {"type": "websocket.disconnect", "code": OVER}

    await app(scope, heard, send)
    if struck:
        await send({"type": "websocket.close", "code": OVER})


def _runs(message: Message) -> bool:
    """Whether a message asks for the page to run, and for nothing else."""
    asked = BackMsg()
    try:
        asked.ParseFromString(message.get("bytes") or b"")
    except DecodeError:
        return False
    return asked.WhichOneof("type") == "rerun_script"
