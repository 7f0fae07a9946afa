"""An endpoint of the soak: a process that works for as long as a request says, and breaks when
told. Usage: server.py HOST PORT.

`GET /mode/NAME` changes what it does: well, fail (500 at once), cut (the connection ends instead of
an answer), slow (20 times slower, 3 s at most).
"""

import asyncio
import sys
from urllib.parse import parse_qs, urlsplit

SLOW_FACTOR, SLOW_SECONDS_MAX = 20, 3
EVENTS = 5
mode = "well"


async def read_request(reader):
    """Method, target and content; None at the end of the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    fields = {name.lower(): value.strip()
              for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    content = await reader.readexactly(int(fields.get("content-length", 0)))
    return method, target, content


def whole(status, text, seconds=0.0):
    content = text.encode()
    return (f"HTTP/1.1 {status} Because\r\nContent-Length: {len(content)}\r\n"
            f"X-Work-Seconds: {seconds:.3f}\r\n\r\n").encode() + content


async def stream(writer, seconds):
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                 b"X-Work-Seconds: %.3f\r\n\r\n" % seconds)
    for number in range(EVENTS):
        await asyncio.sleep(seconds / EVENTS)
        writer.write(b"8\r\ndata: %d\n\r\n" % number)
    writer.write(b"0\r\n\r\n")


async def answer(target, content, writer):
    """False where the connection ends here."""
    global mode
    parts = urlsplit(target)
    if parts.path.startswith("/mode/"):
        mode = parts.path.removeprefix("/mode/")
        writer.write(whole(200, mode))
        return True
    if parts.path == "/health":
        writer.write(whole(200, "well"))
        return True
    if mode == "cut":
        return False
    if mode == "fail":
        writer.write(whole(500, "told to fail"))
        return True
    seconds = float(parse_qs(parts.query).get("seconds", ["0"])[0])
    if mode == "slow":
        seconds = min(SLOW_SECONDS_MAX, SLOW_FACTOR * seconds)
    if parts.path == "/stream":
        await stream(writer, seconds)
    else:
        await asyncio.sleep(seconds)
        writer.write(whole(200, f"{len(content)} bytes", seconds))
    return True


async def serve(reader, writer):
    try:
        while True:
            _, target, content = await read_request(reader)
            if not await answer(target, content, writer):
                break
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def main():
    server = await asyncio.start_server(serve, sys.argv[1], int(sys.argv[2]), backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
