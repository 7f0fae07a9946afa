// Pieces of heads that the fuzzer may use, and heads to begin with.

enum HeadWords {
  static let all = [
    "\r\n", "\r\n\r\n", "Connection: ", "close", "keep-alive", "upgrade", "Upgrade: websocket\r\n",
    "Content-Length: ", "Content_Length: ", "Transfer-Encoding: chunked\r\n",
    "Keep-Alive: timeout=",
    "Proxy-Connection: ", "Trailer: ", "TE: ", "Date: ", "HTTP/1.1", "HTTP2-Settings: ", ", ",
  ]

  static let request = """
    POST /v1/chat?a=b HTTP/1.1\r
    Host: api.example.com:80\r
    Content-Length: 300\r
    Connection: keep-alive, X-A\r
    X-A: 1\r
    X-Forwarded-For: 192.0.2.1, [2001:db8::1]:80\r
    traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r
    \r

    """
  static let oldRequest = "GET http://a/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"

  static let responses = [
    "HTTP/1.1 200 OK\r\nContent-Length: 1024\r\nKeep-Alive: timeout=5, max=9\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "HTTP/1.0 404\r\nServer: x\r\nConnection: X-B\r\nX-B: 1\r\n\r\n",
    "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.2, HTTP/1.1\r\nConnection: Upgrade\r\n\r\n",
  ]
}
