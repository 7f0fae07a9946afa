"""Reads a page in the Prometheus text format, as far as the tests ask."""

import re

_SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)",?')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def _unescaped(text):
    return re.sub(r'\\[\\"n]', lambda match: _ESCAPES[match.group()], text)


class Page:
    """The samples of a page, in its order: (name, labels, value)."""

    def __init__(self, samples):
        self.samples = samples

    def series(self, name, **labels):
        """(labels, value) of the series that have these labels."""
        return [
            (found, value) for sample, found, value in self.samples
            if sample == name and labels.items() <= found.items()]

    def sum(self, name, **labels):
        return sum(value for _, value in self.series(name, **labels))

    def value(self, name, **labels):
        """The value of the one series that has these labels."""
        found = self.series(name, **labels)
        assert len(found) == 1, f"{name}{labels}: {len(found)} series"
        return found[0][1]

    def by_endpoint(self, name, **labels):
        return {found["endpoint"]: value for found, value in self.series(name, **labels)}


def parse(text):
    samples = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = _SAMPLE.match(line)
            assert match, f"not a sample: {line!r}"
            labels = {key: _unescaped(value) for key, value in _LABEL.findall(match.group(2) or "")}
            samples.append((match.group(1), labels, float(match.group(3))))
    return Page(samples)
