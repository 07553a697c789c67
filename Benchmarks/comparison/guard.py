"""A comparison that CI can rely on: wide enough never to fail by noise."""

import json
import statistics
import subprocess

from . import servers
from .servers import Failure, Server

MODELS = ["completion-port", "async-select"]
# Median ratio of the processor time per echo. It is near 1, was never above 1.2 on a machine with
# nine processes for two processors, and a fault such as a thread switch for each echo doubles it.
LIMIT = 1.6
ROUNDS = 9
ATTEMPTS = 3


def ratios(floor, arguments):
    subjects = [Server.peer(servers.FLOOR, floor), *map(Server.model, MODELS)]
    command = [servers.ECHO, "bench", "--json", "--connections", "50", "--size", "64"]
    command += ["--rounds", str(ROUNDS), "--time", "300ms", "--warm-up", "100ms"]
    command += ["--server-cpus", ",".join(map(str, arguments.server_cpus))]
    command += ["--client-cpus", ",".join(map(str, arguments.client_cpus))]
    for server in subjects:
        command += ["--command", server.shell_command]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise Failure(f"echo bench failed: {result.stderr or result.stdout[-2000:]}")
    reference, *own = [list(map(cost, each["rounds"]))
                       for each in json.loads(result.stdout)["results"]]
    return {
        model: statistics.median(value / other for value, other in zip(values, reference) if other)
        for model, values in zip(MODELS, own)
    }


def cost(number):
    """Processor time per echo of a round; none if the machine let no echo through."""
    server = number["server"]
    return (server["userSeconds"] + server["systemSeconds"]) / max(1, number["echoes"])


def hold(folder, arguments):
    """Gives the exit code: 1 if a model is beyond the limit in every attempt."""
    floor = servers.build_floor(folder)
    lowest = dict.fromkeys(MODELS, float("inf"))
    for attempt in range(1, ATTEMPTS + 1):
        for model, measured in ratios(floor, arguments).items():
            lowest[model] = min(lowest[model], measured)
            print(f"{model:16} {measured:5.2f} times the floor's processor time per echo"
                  f"  (at most {LIMIT}; attempt {attempt})", flush=True)
        if all(value <= LIMIT for value in lowest.values()):
            return 0
    print("a model needs far more than the C loop for an echo")
    return 1
