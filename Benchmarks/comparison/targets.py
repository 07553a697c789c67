"""What the project aims at, and whether it has been reached."""

from . import servers
from .figures import growth_ratio, ratio

PORT_AND_MESSAGES = ["completion-port", "async-select"]
GROUPS = ["event-select", "overlapped"]
OTHERS = ["select", "event-select", "overlapped", "overlapped-routine"]
SPLICING = ["select", "async-select", "event-select"]
EVENT_DRIVEN = [model for model in servers.MODELS if model != "thread-per-client"]


class Target:
    """A limit for the ratio of a figure to that of another server."""

    def __init__(self, workload, figure, models, reference, limit, at_least=False):
        self.workload = workload
        self.figure = figure
        self.models = models
        self.reference = reference
        self.limit = limit
        self.at_least = at_least

    @property
    def wanted(self):
        return f"at {'least' if self.at_least else 'most'} {self.limit:.2f}"

    def ratio(self, results, model):
        return ratio(results, self.workload, model, self.reference, self.figure)

    def is_met(self, measured):
        # To the two digits that are printed.
        value = round(measured.median, 2)
        return value >= self.limit if self.at_least else value <= self.limit


class GrowthTarget(Target):
    """A limit for how much more a figure grows than another server's."""

    def __init__(self, last, models, limit):
        super().__init__(f"growth-{last}", "cpu", models, servers.FLOOR, limit)

    def ratio(self, results, model):
        return growth_ratio(
            results, model, self.reference, self.figure, self.workload, "growth-10",
        )


FLOOR, NIO = servers.FLOOR, servers.NIO
TARGETS = [
    Target("50", "cpu", PORT_AND_MESSAGES, FLOOR, 1.00),
    Target("50", "cpu", PORT_AND_MESSAGES, NIO, 0.70),
    Target("50", "cpu", OTHERS, FLOOR, 1.05),
    Target("50", "cpu", OTHERS, NIO, 0.75),
    Target("500", "cpu", EVENT_DRIVEN, FLOOR, 1.05),
    Target("500", "cpu", EVENT_DRIVEN, NIO, 0.65),
    Target("streams", "efficiency", servers.MODELS, FLOOR, 1.00, at_least=True),
    Target("streams", "efficiency", servers.MODELS, NIO, 1.00, at_least=True),
    Target("streams", "efficiency", SPLICING, FLOOR, 1.40, at_least=True),
    Target("busy-poll", "p50", EVENT_DRIVEN, FLOOR, 0.35),
    Target("busy-poll", "p50", EVENT_DRIVEN, NIO, 0.35),
    Target("churn", "cpu", PORT_AND_MESSAGES, FLOOR, 1.00),
    Target("churn", "cpu", GROUPS, FLOOR, 1.25),
    Target("churn", "cpu", PORT_AND_MESSAGES + GROUPS, NIO, 0.50),
    Target("fairness", "p99", servers.MODELS, FLOOR, 1.20),
    Target("udp-1", "cpu", servers.MODELS, servers.UDP_FLOOR, 1.10),
    Target("udp-64", "cpu", servers.MODELS, servers.UDP_GO, 0.75),
    GrowthTarget(1000, PORT_AND_MESSAGES, 1.10),
    GrowthTarget(15000, PORT_AND_MESSAGES, 1.10),
]


def judge(results):
    """A row for each target and model that was measured."""
    for target in TARGETS:
        for model in target.models:
            measured = target.ratio(results, model)
            if measured:
                yield target, model, measured, target.is_met(measured)
