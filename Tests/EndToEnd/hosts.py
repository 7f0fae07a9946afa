"""Made-up machines under real exporters: a procfs whose counters advance, idle or busy."""

import os
import threading
from pathlib import Path

import endpoints

TICKS = 100  # USER_HZ
CORES = 2
TOTAL_KIB = 16 << 20


class Host:
    """Keeps `directory/stat` and `meminfo` up to date, as the kernel of an idle machine would."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True)
        self.idle_ticks = 1_000_000
        self.user_ticks = 50_000
        self._stops = threading.Event()
        (self.directory / "meminfo").write_text(
            f"MemTotal: {TOTAL_KIB} kB\nMemFree: {TOTAL_KIB // 2} kB\n"
            f"MemAvailable: {TOTAL_KIB * 3 // 4} kB\n")
        self._write()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        self._stops.set()
        self._thread.join()

    def _run(self):
        while not self._stops.wait(0.05):
            self.idle_ticks += 0.05 * TICKS
            self._write()

    def _write(self):
        core = f"{self.user_ticks:.0f} 0 20000 {self.idle_ticks:.0f} 100 0 30 0 0 0"
        lines = [f"cpu{n} {core}" for n in range(CORES)]
        text = "\n".join([f"cpu {core}", *lines, "intr 0", "ctxt 1", "btime 1700000000",
                          "processes 1", "procs_running 1", "procs_blocked 0", ""])
        new = self.directory / "stat.new"
        new.write_text(text)
        os.replace(new, self.directory / "stat")


class BusyPage:
    """Serves, in place of a stopped exporter, its page with the CPUs busy and the memory full."""

    def __init__(self, page, host, port):
        self.page = page
        self.fetch_count = 0
        self.endpoint = endpoints.Endpoint(endpoints.pages(self._next), host, port)

    def stop(self):
        self.endpoint.stop()

    def _next(self):
        self.fetch_count += 1
        lines = []
        for line in self.page.splitlines():
            series, _, value = line.rpartition(" ")
            if series.startswith("node_cpu_seconds_total{") and 'mode="user"' in series:
                line = f"{series} {float(value) + self.fetch_count}"
            elif series == "node_memory_MemAvailable_bytes":
                line = f"{series} {TOTAL_KIB * 1024 * 0.02}"
            lines.append(line)
        return "\n".join(lines) + "\n"
