"""Inference servers that a test scripts."""

import threading


class Engine:
    """Says what vLLM says: requests running and waiting, steps done. A subclass answers; hung
    (`works` is cleared), it holds its requests and its counter stands."""

    def __init__(self, stage, host="127.0.0.1"):
        self.works = threading.Event()
        self.works.set()
        self.running = self.waiting = self.steps = 0
        self.lock = threading.Lock()
        self.one = stage.endpoint(self.answer, host)
        self.address, self.port = self.one.address, self.one.port

    def page(self):
        return (f"vllm:num_requests_running {self.running}\n"
                f"vllm:num_requests_waiting {self.waiting}\n"
                f"vllm:iteration_tokens_total_count {self.steps}\n")
