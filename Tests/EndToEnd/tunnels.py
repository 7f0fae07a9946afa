"""Connections that leave HTTP behind, on both sides of steelyard (RFC 9110 §7.8)."""

RAW = [("Connection", "upgrade"), ("Upgrade", "raw/1")]


def switch(exchange, protocol, fields=(), first=b""):
    lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", f"Upgrade: {protocol}"]
    lines += [f"{name}: {value}" for name, value in fields]
    exchange.send("\r\n".join(lines).encode() + b"\r\n\r\n" + first)
    exchange.has_read_content = True
    exchange.keeps_alive = False


def pipe_endpoint(script):
    """Switches to a raw protocol and hands the connection to `script`."""

    def answer(exchange):
        switch(exchange, "raw/1")
        script(exchange)

    return answer


def open_raw(steelyard, **options):
    connection = steelyard.connect(**options)
    connection.send_request("GET", "/", fields=RAW)
    assert connection.read_head().status == 101
    return connection
