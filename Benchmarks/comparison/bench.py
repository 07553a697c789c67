"""Workloads that `echo bench` measures: all servers in one interleaved run."""

import json
import os
import subprocess

from . import servers
from .servers import Failure, note

# Messages of 64 KiB that each stream has under way: enough that it never runs dry, and no more than
# the kernel's buffers hold.
STREAM_IN_FLIGHT = 4
IDLE = 5000


class Bench:
    """One run of `echo bench`: a load for each number of connections."""

    def __init__(self, names, connections, *, size="64", options=(), beside=0, busy_poll=None,
                 figures=("rate", "p50", "p99", "cpu")):
        self.names = names
        self.connections = connections
        self.size = size
        self.options = options
        self.beside = beside
        self.busy_poll = busy_poll
        self.figures = figures

    def command(self, subjects, settings):
        command = [servers.ECHO, "bench", "--json", "--size", self.size, *self.options]
        command += ["--connections", ",".join(map(str, self.connections))]
        command += ["--rounds", str(settings.rounds), "--time", settings.time]
        command += ["--server-cpus", ",".join(map(str, settings.server_cpus))]
        command += ["--client-cpus", ",".join(map(str, settings.client_cpus))]
        if subjects[0].is_datagram:
            command.append("--udp")
        for server in subjects:
            command += ["--command", server.shell_command]
        return command

    def measure(self, subjects, settings, results):
        """Adds what each round measured."""
        busy_poll = settings.busy_poll or self.busy_poll
        subjects = [
            servers.Server.model(server.name, busy_poll, server.is_datagram)
            if server.name in servers.MODELS else server
            for server in subjects if server.fits(max(self.connections) + self.beside)
        ]
        if not subjects:
            return
        rounds = len(subjects) * len(self.connections) * settings.rounds
        note(f"{', '.join(self.names)}: {len(subjects)} servers, {rounds} rounds")
        report = self.report(self.command(subjects, settings))
        for warning in report["warnings"]:
            for server in subjects:
                warning = warning.replace(server.shell_command, server.name)
            note(f"  {warning}")
        for result in report["results"]:
            self.add(subjects[result["subject"]].name, self.names[result["load"]], result, results)

    @staticmethod
    def report(command):
        # In the same group of processes: ^C reaches it, and it ends its servers.
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        try:
            output, errors = process.communicate()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        if process.returncode not in (0, 1) or not output:
            raise Failure(f"echo bench failed: {errors.strip()}")
        return json.loads(output)

    def add(self, server, workload, result, results):
        if "failure" in result:
            results.fail(workload, server, result["failure"])
        size = int(self.size.replace("KiB", "")) * (1024 if "KiB" in self.size else 1)
        for number in result["rounds"]:
            if number["wrongBytes"] or number["failedConnections"]:
                wrong = f"{number['wrongBytes']} bytes were wrong"
                lost = f"{number['failedConnections']} connections failed"
                results.fail(workload, server, f"{wrong}, {lost}")
            if not number["echoes"]:
                results.fail(workload, server, "a round without an echo")
                results.add(workload, server, **dict.fromkeys(self.figures))
                continue
            cost = number.get("server")
            cpu = (cost["userSeconds"] + cost["systemSeconds"]) / number["echoes"] if cost else None
            rate = number["echoes"] / number["seconds"]
            figures = {
                "rate": rate, "p50": number.get("p50"), "p99": number.get("p99"), "cpu": cpu,
                "throughput": rate * size, "efficiency": size / cpu if cpu else None,
                "memory": cost.get("memoryPerConnection") if cost else None,
            }
            results.add(workload, server, **{name: figures[name] for name in self.figures})


RUNS = [
    Bench(["1", "50", "500"], [1, 50, 500]),
    Bench(["5000"], [5000]),
    Bench(["pipelined"], [50], options=["--in-flight", "16"]),
    Bench(["streams"], [8], size="64KiB", options=["--in-flight", str(STREAM_IN_FLIGHT)],
          figures=("throughput", "cpu", "efficiency", "p99")),
    Bench(["churn"], [50], options=["--churn"]),
    Bench(["beside-idle"], [50], options=["--idle", str(IDLE)], beside=IDLE),
    # The clients poll as well: what they need to wake up would hide what the server does not.
    Bench(["busy-poll"], [1], options=["--client-poll", "auto"], busy_poll="50us"),
]
DATAGRAMS = [
    Bench(["udp-1"], [1]),
    Bench(["udp-64"], [8], options=["--in-flight", "8"]),
]
GROWTH_FIGURES = ("rate", "p99", "cpu", "memory")
GROWTH = [
    Bench(["growth-10", "growth-100", "growth-1000"], [10, 100, 1000], figures=GROWTH_FIGURES),
    Bench(["growth-5000", "growth-15000"], [5000, 15000], figures=GROWTH_FIGURES),
]


def only(runs, wanted):
    """The runs with those loads that are wanted; all without a choice."""
    for run in runs:
        kept = [pair for pair in zip(run.names, run.connections) if not wanted or pair[0] in wanted]
        if kept:
            run.names, run.connections = map(list, zip(*kept))
            yield run


def environment():
    """What machine this is, in general terms, and how many processes want its processors."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    swift = subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout
    version = next((word for word in swift.split() if word[:1].isdigit()), "unknown")
    return {
        "processor": names[0] if names else os.uname().machine,
        "processors": len(os.sched_getaffinity(0)),
        "kernel": "Linux " + ".".join(os.uname().release.split(".")[:2]),
        "swift": version,
        "load": round(os.getloadavg()[0], 1),
    }
