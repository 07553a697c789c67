"""Workloads that `echo bench` does not have: memory, mass close, system calls and fairness."""

import contextlib
import importlib.machinery
import importlib.util
import os
import random
import signal
import socket
import subprocess
import tempfile
import time

from . import servers
from .servers import Failure, note, running

IDLE = 5000
CLOSED = 5000
# A thread for each.
FEWER_THREADS = 2000
STREAMS = 8
# Echoes of each number of connections, in a short run and a long one: the difference is counted.
COUNTED = {1: (200, 2200), 50: (10, 110)}


def script(name):
    """One of the project's scripts, as a module."""
    loader = importlib.machinery.SourceFileLoader(
        name.replace("-", "_"), os.path.join(servers.PROJECT, "Scripts", name),
    )
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


idle_memory = script("idle-memory")
syscalls = script("syscalls-per-echo")


def connections_for(server, count):
    if server.name == "thread-per-client":
        return min(count, FEWER_THREADS)
    return count if server.fits(count) else servers.SELECT_LIMIT - 100


@contextlib.contextmanager
def connected(port, count):
    """So many connections, with an echo on each."""
    opened = []
    try:
        for number in range(count):
            opened.append(idle_memory.echo(port, number))
        yield opened
    finally:
        for connection in opened:
            connection.close()


def memory(server, settings):
    """Bytes for each idle connection, after an echo."""
    count = connections_for(server, IDLE)
    with running(server, settings.server_cpus) as started, connected(started.port, 10) as first:
        # What a server allocates once, such as a pool of buffers, is not a connection's.
        for _ in range(500):
            for connection in first:
                connection.sendall(b"x")
                connection.recv(1)
        before = idle_memory.resident(started.process.pid)
        with connected(started.port, count):
            growth = idle_memory.resident(started.process.pid) - before
    return {"memory": growth / count}


def processor_time(pid):
    """Seconds of processor time of a process, of its threads that have ended as well."""
    return time.clock_gettime((~pid << 3) | 2)


def mass_close(server, settings):
    """The time until a server has ended connections that all ended at once, and its cost."""
    count = connections_for(server, CLOSED)
    with running(server, settings.server_cpus) as started, connected(started.port, count) as opened:
        pid = started.process.pid
        # Stopped meanwhile, so that it finds all of them at once.
        started.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED)
        for connection in opened:
            connection.shutdown(socket.SHUT_WR)
        used, begin = processor_time(pid), time.monotonic()
        started.process.send_signal(signal.SIGCONT)
        for connection in opened:
            if connection.recv(1):
                raise Failure(f"{server.name} sent more than it was sent")
        seconds = time.monotonic() - begin
        # What it does after the last end belongs to it as well.
        time.sleep(0.1)
        return {"seconds": seconds, "cpu": (processor_time(pid) - used) / count}


def counted_calls(server, settings, connections, rounds):
    with tempfile.NamedTemporaryFile() as summary:
        tracer = ["strace", "-f", "-c", "-o", summary.name, "--"]
        with running(server, settings.server_cpus, tracer) as started:
            syscalls.drive(started.port, connections, rounds)
            os.kill(syscalls.child_of(started.process), signal.SIGKILL)
            started.process.wait(20)
        return sum(syscalls.read_summary(summary.name).values())


def system_calls(server, settings):
    """The server's system calls for each echo, of one connection and of fifty that are busy."""
    figures = {}
    for connections, (few, many) in COUNTED.items():
        counts = [counted_calls(server, settings, connections, rounds) for rounds in (few, many)]
        figures[f"calls-{connections}"] = (counts[1] - counts[0]) / ((many - few) * connections)
    return figures


def fairness(server, settings):
    """The latency of a client that plays ping-pong beside greedy streams."""
    seconds = max(1.0, settings.seconds)
    with running(server, settings.server_cpus) as started:
        arguments = [str(started.port), str(STREAMS), str(seconds)]
        result = subprocess.run(
            [servers.product(servers.FAIRNESS_CLIENT), *arguments],
            capture_output=True, text=True, timeout=60 + seconds,
        )
    if result.returncode != 0:
        raise Failure(result.stderr.strip())
    p50, p99, throughput = map(float, result.stdout.split())
    return {"p50": p50, "p99": p99, "throughput": throughput}


# Workload: what measures it, and whether time has a part in it.
PROBES = {
    "memory": (memory, False),
    "mass-close": (mass_close, True),
    "syscalls": (system_calls, False),
    "fairness": (fairness, True),
}


def measure(name, subjects, settings, results):
    """Measures all servers, in random order in each round."""
    probe, is_timed = PROBES[name]
    rounds = settings.rounds if is_timed else 1
    note(f"{name}: {len(subjects)} servers, {rounds * len(subjects)} rounds")
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, settings.client_cpus)
    try:
        failed = set()
        for _ in range(rounds):
            for server in random.sample(subjects, len(subjects)):
                if server.name in failed:
                    continue
                if settings.busy_poll and server.name in servers.MODELS:
                    server = servers.Server.model(server.name, settings.busy_poll)
                try:
                    results.add(name, server.name, **probe(server, settings))
                except (Failure, OSError, SystemExit, subprocess.SubprocessError) as failure:
                    failed.add(server.name)
                    results.fail(name, server.name, str(failure))
    finally:
        os.sched_setaffinity(0, own)
