"""What was measured, round by round, and what is computed from it."""

import json
import statistics

# Figure: (unit, factor from what is stored, digits).
UNITS = {
    "rate": ("echoes/s", 1, 0),
    "p50": ("µs", 1e-3, 1),
    "p99": ("µs", 1e-3, 0),
    "cpu": ("µs", 1e6, 2),
    "throughput": ("MB/s", 1e-6, 0),
    "efficiency": ("MB per CPU second", 1e-6, 0),
    "memory": ("bytes", 1, 0),
    "seconds": ("ms", 1e3, 1),
    "calls-1": ("", 1, 2),
    "calls-50": ("", 1, 2),
}


class Results:
    """For each workload and server, each figure's values, one for each round; `None` if it has none."""

    def __init__(self):
        self.values = {}
        self.failures = []

    def add(self, workload, server, **figures):
        place = self.values.setdefault((workload, server), {})
        for name, value in figures.items():
            place.setdefault(name, []).append(value)

    def fail(self, workload, server, reason):
        self.failures.append((workload, server, reason))

    def of(self, workload, server, figure):
        values = self.values.get((workload, server), {}).get(figure, [])
        return values if any(value is not None for value in values) else []

    def workloads(self):
        return list(dict.fromkeys(workload for workload, _ in self.values))

    def servers(self, workload=None):
        return list(dict.fromkeys(
            server for other, server in self.values if workload in (None, other)
        ))

    def merge(self, other):
        self.values.update(other.values)
        self.failures += other.failures

    def as_json(self):
        return {
            "results": [
                {"workload": workload, "server": server, "figures": figures}
                for (workload, server), figures in self.values.items()
            ],
            "failures": [list(failure) for failure in self.failures],
        }

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        results = cls()
        for each in document["results"]:
            results.values[each["workload"], each["server"]] = each["figures"]
        results.failures = [tuple(failure) for failure in document["failures"]]
        return results, document


class Spread:
    """A median, and the quartiles beside it."""

    def __init__(self, values):
        values = [value for value in values if value is not None]
        self.median = statistics.median(values)
        self.low = self.high = self.median
        if len(values) > 1:
            self.low, _, self.high = statistics.quantiles(values, method="inclusive")

    def text(self, factor=1, digits=2):
        median, low, high = (f"{value * factor:,.{digits}f}" for value in
                             (self.median, self.low, self.high))
        return median if low == high == median else f"{median} ({low}–{high})"


def spread(results, workload, server, figure):
    values = results.of(workload, server, figure)
    return Spread(values) if values else None


def ratio(results, workload, server, reference, figure):
    """The ratios to another server: those of the rounds that follow each other."""
    pairs = zip(results.of(workload, server, figure), results.of(workload, reference, figure))
    ratios = [value / other for value, other in pairs if value is not None and other]
    return Spread(ratios) if ratios else None


def growth_ratio(results, server, reference, figure, last, first):
    """How much more a figure grows from one workload to another than the reference's does."""
    series = [results.of(workload, name, figure)
              for name in (server, reference) for workload in (last, first)]
    ratios = [(a / b) / (c / d) for a, b, c, d in zip(*series)
              if a is not None and b and c and d]
    return Spread(ratios) if ratios else None
