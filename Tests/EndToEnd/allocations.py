"""How often the threads of a program ask for memory, counted by a library that it is started with."""

import mmap
import struct

RECORD = struct.Struct("<16sqQ")  # as in malloc_count.c: thread name, id, count
THREADS_MAX = 256


class Allocations:
    """Counts those of one program, started with `environment`."""

    def __init__(self, directory, library):
        self.file = directory / "counts"
        self.file.write_bytes(bytes(RECORD.size * THREADS_MAX))
        self.environment = {"LD_PRELOAD": str(library), "MALLOC_COUNT_FILE": str(self.file)}

    def by_thread(self):
        """Allocations so far by thread name."""
        found = {}
        with open(self.file, "rb") as opened, \
                mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as data:
            for offset in range(0, len(data), RECORD.size):
                name, thread, count = RECORD.unpack_from(data, offset)
                if thread:
                    name = name.split(b"\0")[0].decode()
                    found[name] = found.get(name, 0) + count
        return found

    def of_worker(self):
        """Those of the first worker."""
        return self.by_thread()["worker-0"]
