"""Requests that are under way while a test looks on: an endpoint that holds them, clients that wait."""

import threading
import time


class Gate:
    """An endpoint that answers when the test says so, and knows what it has in hand."""

    def __init__(self, stage, seconds=0):
        self.seconds = seconds  # what an answer takes when it is open
        self.lock = threading.Lock()
        self.permits = threading.Semaphore(0)
        self.running = 0
        self.most = 0
        self.order = []
        self.is_open = False
        self.endpoint = stage.endpoint(self.answer)

    def answer(self, exchange):
        exchange.read_content()
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.order.append(exchange.request.target)
        if not self.is_open:
            assert self.permits.acquire(timeout=60)
        time.sleep(self.seconds)
        with self.lock:
            self.running -= 1
        exchange.answer(exchange.request.target.encode())

    def let_go(self, count=1):
        self.permits.release(count)

    def open(self):
        self.is_open = True
        self.permits.release(10_000)


class Waiter:
    """A request on a connection of its own that has been sent and not been answered."""

    def __init__(self, steelyard, target="/", **options):
        self.connection = steelyard.connect(timeout=60)
        self.connection.send_request("GET", target, **options)

    def response(self):
        try:
            return self.connection.read_response()
        finally:
            self.connection.close()

    def has_answer(self):
        """Whether the answer has begun, within a moment."""
        return self.connection.has_answer()


def length(steelyard):
    return steelyard.metrics().value("steelyard_queue_length", pool="text")
