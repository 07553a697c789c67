"""Tables in Markdown, for the documentation and for a terminal alike."""

from . import servers, targets
from .figures import UNITS, growth_ratio, ratio, spread

TITLES = {
    "1": "One connection, 64 B",
    "50": "50 connections, 64 B",
    "500": "500 connections, 64 B",
    "5000": "5,000 connections, 64 B",
    "pipelined": "50 connections, 64 B, 16 messages in flight",
    "streams": "8 streams of 64 KiB messages, 4 in flight",
    "churn": "A connection for each message, 50 at a time",
    "beside-idle": "50 connections, 64 B, beside 5,000 idle ones",
    "busy-poll": "One connection, 64 B, models and clients with busy polling",
    "udp-1": "UDP: one datagram of 64 B in flight",
    "udp-64": "UDP: 8 sockets with 8 datagrams of 64 B in flight each",
    "memory": "Memory of an idle connection",
    "mass-close": "5,000 connections that end at once",
    "syscalls": "System calls per echo",
    "fairness": "A ping-pong client beside 8 greedy streams",
}
FIGURES = {
    "rate": "echoes/s", "p50": "p50, µs", "p99": "p99, µs", "cpu": "CPU per echo, µs",
    "throughput": "MB/s", "efficiency": "MB per CPU second", "memory": "bytes",
    "seconds": "time, ms", "calls-1": "1 connection", "calls-50": "50 connections",
}
# The figure that ratios are made of.
COMPARED = {
    "streams": "efficiency", "busy-poll": "p50", "memory": "memory", "syscalls": "calls-50",
    "fairness": "p99",
}
# Of which the spread is printed, beside that of the ratio.
PLAIN = {"rate", "throughput", "p50", "p99", "memory", "calls-1", "calls-50"}
CONNECTIONS = {"churn", "mass-close"}


def table(heads, rows, texts=1):
    """A table, of which the first columns are texts and the others numbers."""
    yield "| " + " | ".join(heads) + " |"
    yield "|" + " --- |" * texts + " ---: |" * (len(heads) - texts)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def cell(measured, figure):
    if measured is None:
        return ""
    _, factor, digits = UNITS[figure]
    if figure in PLAIN:
        return f"{measured.median * factor:,.{digits}f}"
    return measured.text(factor, digits)


def in_order(names):
    known = [*servers.PEERS, *servers.UDP_PEERS, *servers.MODELS]
    return sorted(names, key=lambda name: known.index(name) if name in known else len(known))


def name_cell(name):
    return f"`{name}`" if name in servers.MODELS else name


def workload_table(results, workload):
    measured = in_order(results.servers(workload))
    shown = [figure for figure in FIGURES if any(results.of(workload, name, figure)
                                                 for name in measured)]
    compared = COMPARED.get(workload, "cpu")
    references = [servers.FLOOR, servers.NIO, *servers.UDP_PEERS]
    references = [name for name in references if name in measured]
    heads = ["Server"]
    for figure in shown:
        is_connection = figure == "cpu" and workload in CONNECTIONS
        heads.append("CPU per connection, µs" if is_connection else FIGURES[figure])
    what = {"cpu": "CPU"}.get(compared, FIGURES[compared].split(",")[0])
    heads += [f"{what} to {name}" for name in references]
    rows = []
    for name in measured:
        row = [name_cell(name)]
        row += [cell(spread(results, workload, name, figure), figure) for figure in shown]
        for reference in references:
            compared_to = ratio(results, workload, name, reference, compared)
            row.append(compared_to.text() if compared_to and name != reference else "")
        rows.append(row)
    return table(heads, rows)


def growth_table(results):
    steps = [name for name in results.workloads() if name.startswith("growth-")]
    names = in_order(results.servers(steps[0]))
    counts = [f"{int(step.split('-')[1]):,}" for step in steps]
    for figure, title in (("cpu", "CPU per echo, µs"), ("p99", "p99, ms"),
                          ("memory", "Memory for each connection, bytes")):
        yield f"**{title}**, by connections:"
        yield ""
        heads, rows = ["Server", *counts], []
        if figure == "cpu":
            heads.append(f"growth to {servers.FLOOR}'s")
        for name in names:
            row = [name_cell(name)]
            for step in steps:
                measured = spread(results, step, name, figure)
                factor, digits = (1e-6, 2) if figure == "p99" else UNITS[figure][1:]
                row.append(f"{measured.median * factor:,.{digits}f}" if measured else "")
            if figure == "cpu":
                last = [step for step in steps if results.of(step, name, "cpu")][-1:]
                grown = last and growth_ratio(
                    results, name, servers.FLOOR, "cpu", last[0], steps[0],
                )
                row.append(grown.text() if grown and name != servers.FLOOR else "")
            rows.append(row)
        yield from table(heads, rows)
        yield ""


def target_table(results):
    rows = []
    for target, model, measured, is_met in targets.judge(results):
        title = TITLES.get(target.workload) or \
            f"Growth from 10 to {int(target.workload.split('-')[1]):,} connections"
        figure = {"cpu": "CPU", "efficiency": "MB per CPU second"}.get(target.figure, target.figure)
        rows.append([f"{title}: {figure}", name_cell(model), target.reference, target.wanted,
                     measured.text(), "met" if is_met else "**missed**"])
    heads = ["Target", "Model", "Compared to", "Wanted", "Measured", "Verdict"]
    return table(heads, rows, texts=len(heads))


def document(results, machine, settings):
    """All of it."""
    yield f"{machine['processors']} processors ({machine['processor']}), {machine['kernel']}, " \
          f"Swift {machine['swift']}. Medians of {settings['rounds']} rounds of " \
          f"{settings['time']}, quartiles in parentheses."
    if machine.get("load", 0) > machine["processors"] / 4:
        yield ""
        yield f"Others used the machine as well: {machine['load']} processes wanted a processor " \
              "when the measurement began. Small differences are within the noise."
    yield ""
    if any(True for _ in targets.judge(results)):
        yield "#### Targets"
        yield ""
        yield from target_table(results)
        yield ""
    for workload in TITLES:
        if workload in results.workloads():
            yield f"#### {TITLES[workload]}"
            yield ""
            yield from workload_table(results, workload)
            yield ""
    if any(name.startswith("growth-") for name in results.workloads()):
        yield "#### From 10 to 15,000 connections"
        yield ""
        yield from growth_table(results)
    for workload, server, reason in dict.fromkeys(map(tuple, results.failures)):
        yield f"Not measured in full: {server}, {TITLES.get(workload, workload)}: {reason}."
