"""What is done to a proxy beside the load: weights changed at a steady pace, a first request."""

import http.client
import threading
import time

from stage import can_connect

CHANGE_SECONDS = 0.1


def answers(port):
    if not can_connect(port):
        return False
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        client.request("GET", "/bytes/1024")
        answer = client.getresponse()
        return answer.status == 200 and len(answer.read()) == 1024
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()


class Changes:
    """Calls a changer every 100 ms, in a thread, until the end of each block; `count` is how often
    in the last one."""

    def __init__(self, change):
        self.change = change
        self.count = 0

    def run(self):
        due = time.monotonic()
        try:
            while not self.ending.wait(max(0, due - time.monotonic())):
                self.change(self.count)
                self.count += 1
                due += CHANGE_SECONDS
        except Exception as error:  # noqa: BLE001: told by the thread that waits for us
            self.error = error

    def __enter__(self):
        self.count, self.error = 0, None
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, kind, error, trace):
        self.ending.set()
        self.thread.join(10)
        if kind is None and self.error is not None:
            raise OSError(f"weights could not be changed: {self.error}") from self.error
