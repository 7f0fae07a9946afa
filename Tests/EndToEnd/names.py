"""Host names that answer as a test says, at once: getaddrinfo is the one of hosts_file.c, which reads
a file at each call."""

import os


class Hosts:
    """A hosts file that one steelyard reads."""

    def __init__(self, directory, library):
        self.file = directory / "hosts"
        self.set()
        self.environment = {"LD_PRELOAD": str(library), "HOSTS_FILE": str(self.file)}

    def set(self, slow=0, **addresses):
        """name=[addresses], dots in names as `__`; each answer takes `slow` seconds."""
        named = [(name.replace("__", "."), list) for name, list in addresses.items()]
        lines = [f"{address} {name}\n" for name, list in named for address in list]
        lines += [f"slow {slow} {name}\n" for name, _ in named]
        new = self.file.with_suffix(".new")
        new.write_text("".join(lines))
        os.replace(new, self.file)
