"""The servers: what there is, how each is built and started, and whether it echoes."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROJECT = os.path.dirname(FOLDER)
ECHO = os.path.join(PROJECT, ".build", "release", "echo")

MODELS = [
    "thread-per-client", "select", "async-select", "event-select",
    "overlapped", "overlapped-routine", "completion-port",
]
FLOOR = "epoll-level"
NIO = "nio"
# Of this package, built by SwiftPM; Go's has a compiler of its own.
PRODUCTS = [
    FLOOR, "epoll-edge", "libevent", "libuv", "asio", "io-uring", NIO, "swift-concurrency",
]
PEERS = [*PRODUCTS, "go"]
# Of datagrams: a loop of recvfrom and sendto in C, and Go's net package.
UDP_FLOOR = "udp-loop"
UDP_GO = "go-udp"
UDP_PEERS = [UDP_FLOOR, UDP_GO]
FAIRNESS_CLIENT = "fairness-client"

# What an fd_set can hold, less what the server needs itself.
SELECT_LIMIT = 1000


class Failure(Exception):
    """Something could not be built or measured."""


def note(text):
    """Tells of progress."""
    print(text, file=sys.stderr, flush=True)


def run(command, **options):
    """Runs a command, whose output is progress; fails with it."""
    note("$ " + shlex.join(command))
    code = subprocess.run(command, stdout=sys.stderr, **options).returncode
    if code != 0:
        raise Failure(f"{command[0]} failed with exit code {code}")


def product(name):
    if name in ("go", UDP_GO):
        return os.path.join(FOLDER, ".build", "go")
    return os.path.join(FOLDER, ".build", "release", name)


def build(names, builds_echo=True):
    """Builds the command and these peers."""
    if builds_echo:
        run(["swift", "build", "-c", "release", "--product", "echo"], cwd=PROJECT)
    for name in names:
        if name in ("go", UDP_GO):
            # Without looking at the repository, which may belong to another user.
            command = ["go", "build", "-buildvcs=false", "-o", product("go"), "."]
            run(command, cwd=os.path.join(FOLDER, "Go"))
        else:
            run(["swift", "build", "-c", "release", "--product", name], cwd=FOLDER)


def build_floor(folder):
    """Builds the floor by itself, without resolving packages; gives its path."""
    source = os.path.join(FOLDER, "Sources")
    sources = [os.path.join(source, path) for path in ("epoll-level/main.c", "Peer/peer.c")]
    floor = os.path.join(folder, FLOOR)
    include = os.path.join(source, "Peer", "include")
    run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-I", include, *sources, "-o", floor])
    return floor


class Server:
    """One of those that are compared."""

    def __init__(self, name, command, is_datagram=False):
        self.name = name
        self.command = command
        self.is_datagram = is_datagram

    @classmethod
    def peer(cls, name, path=None):
        command = [path or product(name), "PORT"]
        return cls(name, command + (["udp"] if name == UDP_GO else []), name in UDP_PEERS)

    @classmethod
    def model(cls, name, busy_poll=None, is_datagram=False):
        listen = ("udp:" if is_datagram else "") + "127.0.0.1:PORT"
        command = [ECHO, "serve", "--model", name, "--listen", listen, "--log-level", "error"]
        if is_datagram:
            command += ["--no-loop-guard"]
        if name == "completion-port":
            command += ["--workers", "1"]
        if busy_poll:
            command += ["--busy-poll", busy_poll]
        return cls(name, command, is_datagram)

    @property
    def shell_command(self):
        """As `echo bench --command` takes it."""
        return shlex.join(self.command)

    def fits(self, connections):
        return self.name != "select" or connections <= SELECT_LIMIT


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Running:
    """A server that has been started for a measurement."""

    def __init__(self, server, processors, around=()):
        self.port = free_port()
        self.is_datagram = server.is_datagram
        command = [part.replace("PORT", str(self.port)) for part in server.command]
        if not os.path.exists(command[0]):
            raise Failure(f"{server.name} has not been built")
        self.process = subprocess.Popen(
            [*around, *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, preexec_fn=lambda: os.sched_setaffinity(0, processors),
            start_new_session=True,
        )

    def wait(self, name, seconds=20):
        """Waits until it accepts, or answers datagrams."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(ConnectionRefusedError, TimeoutError):
                self.ask() if self.is_datagram else self.connect()
                return
            time.sleep(0.02)
        if self.process.poll() is None:
            raise Failure(f"{name} does not accept connections")
        reason = self.process.stderr.read().decode(errors="replace").strip().splitlines()
        raise Failure(reason[-1] if reason else f"{name} ended with {self.process.returncode}")

    def connect(self):
        socket.create_connection(("127.0.0.1", self.port), 5).close()

    def ask(self):
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.settimeout(0.5)
            client.connect(("127.0.0.1", self.port))
            client.send(b"there?")
            client.recv(16)


@contextlib.contextmanager
def running(server, processors, around=()):
    """Starts a server, and ends it whatever happens."""
    started = Running(server, processors, around)
    try:
        started.wait(server.name)
        yield started
    finally:
        # With what it has started: a tracer does not take its program along.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.process.pid, signal.SIGKILL)
        started.process.wait()
        started.process.stderr.close()


def usable(servers, processors):
    """Those that serve on this machine; says why the others do not."""
    found = []
    for server in servers:
        try:
            with running(server, processors):
                found.append(server)
        except Failure as failure:
            note(f"{server.name} is left out: {failure}")
    return found


def check(servers, processors):
    """Runs `echo check` on each; gives the names of those that pass it, and that fail it."""
    passed, failed = [], []
    for server in servers:
        try:
            with running(server, processors) as started:
                endpoint = f"{'udp:' * server.is_datagram}127.0.0.1:{started.port}"
                result = subprocess.run(
                    [ECHO, "check", "--deadline", "30s", endpoint], capture_output=True, text=True,
                )
        except Failure as failure:
            if server.name == "io-uring":
                print(f"skipped  {server.name}: {failure}", flush=True)
                continue
            failed.append(server.name)
            print(f"FAILED   {server.name}: {failure}", flush=True)
            continue
        lines = (result.stdout + result.stderr).strip().splitlines() or ["no output"]
        if result.returncode == 0:
            passed.append(server.name)
            print(f"passed   {server.name}: {lines[-1]}", flush=True)
        else:
            failed.append(server.name)
            print(f"FAILED   {server.name}:", *lines, sep="\n    ", flush=True)
    return passed, failed
