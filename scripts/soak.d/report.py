"""What a soak has seen, and whether that is good."""

import statistics
from dataclasses import asdict, dataclass, field

# A shorter run says nothing of growth and drift.
JUDGED_SECONDS_MIN = 120
FAILURES_KEPT = 50


@dataclass
class Sample:
    """Of one second."""
    at: float
    rss_bytes: int
    descriptors: int
    # What requests took beside the endpoint's work: median of those that ended in it; and the same
    # without steelyard.
    overhead_seconds: float | None
    direct_seconds: float | None = 0.0

    @property
    def added_seconds(self):
        if self.overhead_seconds is None or self.direct_seconds is None:
            return None
        return self.overhead_seconds - self.direct_seconds


@dataclass
class Report:
    seconds: float = 0.0
    requests: int = 0
    streams_cut: int = 0
    failed: int = 0
    failures: list = field(default_factory=list)
    samples: list = field(default_factory=list)
    counts: dict = field(default_factory=dict)
    retries: int = 0
    problems: list = field(default_factory=list)

    def note(self, outcome, fault, started):
        self.requests += 1
        if not outcome.failure:
            return
        # What had begun when its endpoint broke cannot be made again by anybody.
        if outcome.kind == "stream" and outcome.had_begun and outcome.status in (0, 200):
            self.streams_cut += 1
            return
        self.failed += 1
        if len(self.failures) < FAILURES_KEPT:
            self.failures.append({
                "at_seconds": round(outcome.at - started, 2), "kind": outcome.kind,
                "failure": outcome.failure, "fault": fault or "none"})

    def judge(self):
        """Every reason to call the run bad."""
        problems = list(self.problems)
        if self.failed:
            problems.append(f"{self.failed} requests failed that could have been saved")
        if self.requests == 0:
            problems.append("no request was made")
        if self.seconds >= JUDGED_SECONDS_MIN:
            problems += growth("memory", [one.rss_bytes for one in self.samples], 1.15, 4 << 20)
            problems += growth("descriptors", [one.descriptors for one in self.samples], 1.25, 20)
            problems += growth(
                "latency", [one.added_seconds for one in self.samples
                            if one.added_seconds is not None], 2, 0.02)
        return problems

    def data(self):
        return asdict(self) | {"verdict": self.judge()}

    def text(self):
        lines = [
            f"{self.requests} requests in {self.seconds:.0f} s, {self.failed} failed, "
            f"{self.streams_cut} streams cut after they had begun, "
            f"{self.retries} attempts repeated",
            ", ".join(f"{name} {count}" for name, count in self.counts.items())]
        if self.samples:
            for name, values in (
                    ("memory, MiB", [one.rss_bytes / (1 << 20) for one in self.samples]),
                    ("descriptors", [one.descriptors for one in self.samples]),
                    ("latency without steelyard, ms", [
                        1000 * one.direct_seconds for one in self.samples
                        if one.direct_seconds is not None]),
                    ("latency added, ms", [
                        1000 * one.added_seconds for one in self.samples
                        if one.added_seconds is not None])):
                lines.append(f"{name}: " + " ".join(f"{value:.1f}" for value in fifths(values)))
        lines += [f"  {one['at_seconds']} s, {one['kind']}, fault {one['fault']}: {one['failure']}"
                  for one in self.failures]
        problems = self.judge()
        if self.seconds < JUDGED_SECONDS_MIN:
            lines.append(f"growth and drift are judged from {JUDGED_SECONDS_MIN} s on")
        verdict = ["bad: " + one for one in problems] or ["good"]
        return "\n".join(lines + verdict)


def fifths(values):
    """Medians of five parts of the run; fewer where there are fewer values."""
    size = max(1, len(values) // 5)
    return [statistics.median(values[start:start + size])
            for start in range(0, size * min(5, len(values)), size)]


def growth(name, values, factor, slack):
    """A sentence where the last fifth is above the second: the first is the warm-up."""
    parts = fifths(values)
    if len(parts) < 5 or parts[4] <= parts[1] * factor + slack:
        return []
    return [f"{name} grew from {parts[1]:.6g} to {parts[4]:.6g} (second to last fifth)"]
