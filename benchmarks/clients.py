"""Clients of an HTTP server that cost little themselves: they share the cores with it.

Each keeps its connection open and asks again as soon as it is answered, or after a pause. An answer
is read as bytes up to its length; nothing of it is parsed.
"""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, NamedTuple

_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_END: Final = b"\r\n\r\n"


class Question(NamedTuple):
    """A request of HTTP."""

    method: str
    path: str
    body: str | None = None

    def written(self) -> bytes:
        """As it goes over the wire."""
        body = (self.body or "").encode()
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body


class Taken(NamedTuple):
    """The time of every answer, and of all together."""

    seconds: Sequence[float]
    wall: float


def asked(
    port: int,
    ask: Callable[[str], Question],
    about: Sequence[str],
    clients: int,
    requests: int,
    pause: float = 0.0,
) -> Taken:
    """Ask a server on this machine.

    Args:
        port: It listens there.
        ask: The question about a subject.
        about: The subjects, of which each client draws one a request.
        clients: How many ask at once.
        requests: How often all of them together ask.
        pause: Seconds that a client waits, on average, before it asks again.
    """
    written = {subject: ask(subject).written() for subject in about}

    async def client(seed: int) -> list[float]:
        chance, taken = Random(seed), []
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        for _ in range(requests // clients):
            if pause:
                await asyncio.sleep(chance.uniform(0, 2 * pause))
            began = time.perf_counter()
            writer.write(written[chance.choice(about)])
            await _answer(reader)
            taken.append(time.perf_counter() - began)
        writer.close()
        return taken

    async def every() -> list[list[float]]:
        return await asyncio.gather(*map(client, range(clients)))

    began = time.perf_counter()
    seconds = [each for taken in asyncio.run(every()) for each in taken]
    return Taken(seconds, time.perf_counter() - began)


async def _answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(_END)
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(head.decode(errors="replace"))
    if length := _LENGTH.search(head):
        await reader.readexactly(int(length[1]))
        return
    while size := int(await reader.readuntil(b"\r\n"), 16):  # a body in chunks
        await reader.readexactly(size + 2)
    await reader.readexactly(2)
