"""Sections without a container: what one notified call costs, against the floor in the same run."""

import os
import re
import signal
import statistics
import time

from lab import ALLOW, DENY, Caller, Daemon, Wrong, docker_deny, median, proc, shuffled, wait_until

KERNEL_STACK_KIB = 16  # THREAD_SIZE of x86_64 and arm64
IDLE_S = 5

# What is measured: mode, policy, the answer, the counter it is in, argument tuples.
KINDS = {
    "deny": ("enforce", DENY, "errno", "denied", 64),
    "audit": ("audit", DENY, "continue", "audited", 64),
    "allow": ("enforce", ALLOW, "continue", "allowed", 64),
    "deny_docker": ("enforce", docker_deny(), "errno", "denied", 64),
    "deny_distinct": ("enforce", DENY, "errno", "denied", 1 << 40),
}
# Where caller and answerer run.
PLACES = {"": None, "_one_cpu": (0, 0), "_two_cpus": (0, 1)}
LATENCY = [(k, "") for k in KINDS] + [(k, p) for k in ("deny", "audit", "allow") for p in ("_one_cpu", "_two_cpus")]


def check_counts(daemon, caller, counter):
    """What the caller made, what the session counted and what the events say are one number. Returns the share
    of the events that stand in the file."""
    end = daemon.session_end(caller.id())
    with open(daemon.events, "rb") as f:
        text = f.read()
    lines = len(re.findall(rb'"type":"call"[^\n]*"getppid"', text))
    more = sum(int(n) - 1 for n in re.findall(rb'"type":"call"[^\n]*"getppid"[^\n]*"count":(\d+)', text))
    unwritten = sum(int(n) for n in re.findall(rb'"type":"(?:lost|suppressed)"[^\n]*"count":(\d+)', text))
    if end[counter] != caller.calls and not (counter == "allowed" and end[counter] - 1 == caller.calls):
        raise Wrong(f"{caller.calls} calls, {end[counter]} counted as {counter}")
    if counter == "allowed":
        return None
    if lines + more + unwritten != caller.calls:
        raise Wrong(f"{caller.calls} calls, {lines} event lines for {lines + more}, {unwritten} said to be unwritten")
    return (lines + more) / caller.calls


def latency_round(lab, kind, place, pairs, ms):
    """Fresh processes on both sides, a few pairs in turns; (us, floor's us, share of events written)."""
    mode, policy, reply, counter, distinct = KINDS[kind]
    options = {"reply": reply, "distinct": distinct}
    cpus = PLACES[place]
    if cpus:
        options.update(caller_cpu=cpus[0], server_cpu=cpus[1])
    with Daemon(lab, mode, policy) as daemon:
        if cpus:
            daemon.pin_worker(cpus[1])
        with Caller(lab, daemon, **options) as ours, Caller(lab, **options) as floor:
            for c in (ours, floor):
                c.run(ms)
            rows = [shuffled({"ours": lambda: ours.run(ms)["us"], "floor": lambda: floor.run(ms)["us"]})
                    for _ in range(pairs)]
        return rows, check_counts(daemon, ours, counter)


def latency(lab):
    rounds, pairs, ms = (2, 2, 15) if lab.quick else (21, 5, 40)
    for kind, place in LATENCY:
        rows, ratios, shares = [], [], []
        for _ in range(rounds):
            got, share = latency_round(lab, kind, place, pairs, ms)
            rows += got
            ratios.append(statistics.median(r["ours"] / r["floor"] for r in got))
            shares += [share] if share is not None else []
        name = kind + place
        lab.put(name + "_us", median(rows, "ours"))
        lab.put(name + "_floor_us", median(rows, "floor"))
        lab.put_ratio(name + "_floor_ratio", ratios)
        if shares:
            lab.put(name + "_events_written_share", statistics.median(shares))


SHAPES = [(1, 1), (1, 8), (1, 32), (10, 1), (50, 1), (100, 1), (1000, 1)]


def throughput(lab):
    """Calls answered a second, against the better of the floors with and without SYNC_WAKE_UP."""
    rounds, triples, ms = (1, 2, 50) if lab.quick else (3, 5, 500)
    for sessions, callers in SHAPES[:5] if lab.quick else SHAPES:
        shape = {"sessions": sessions, "callers": callers}
        rows = []
        for _ in range(rounds):
            with Daemon(lab, "enforce", DENY) as daemon, Caller(lab, daemon, **shape) as ours, \
                 Caller(lab, **shape) as sync, Caller(lab, no_sync=True, **shape) as no_sync:
                def run(caller):
                    result = caller.run(ms)["calls_per_s"]
                    daemon.trim()
                    return result
                runs = {"ours": lambda: run(ours), "sync": lambda: run(sync), "no_sync": lambda: run(no_sync)}
                shuffled(runs)  # a session finds its way of waking up
                rows += [shuffled(runs) for _ in range(triples)]
        name = f"{sessions}x{callers}_calls_per_s"
        best = max("sync", "no_sync", key=lambda floor: median(rows, floor))
        lab.put(name, median(rows, "ours"))
        lab.put(name + "_floor_sync", median(rows, "sync"))
        lab.put(name + "_floor_nosync", median(rows, "no_sync"))
        lab.put_ratio(f"{sessions}x{callers}_floor_ratio", [r["ours"] / r[best] for r in rows])


def total(pids, name, key):
    return sum(int(line.split()[1]) for p in pids for line in proc(p, name).splitlines() if line.startswith(key))


def ticks(pids):
    return sum(sum(map(int, proc(p, "stat").rsplit(")", 1)[1].split()[11:13])) for p in pids)


def threads(pids):
    return sum(len(os.listdir(f"/proc/{p}/task")) for p in pids)


def memory(lab, daemon, before, before_threads, sessions):
    pids = daemon.pids()
    per = (threads(pids) - before_threads) / sessions
    lab.put("sessions_alive", sessions)
    lab.put("rss_kib_per_session", (total(pids, "smaps_rollup", "Pss:") - before) / sessions)
    lab.put("threads_per_session", per)
    lab.put("kernel_stack_kib_per_session", KERNEL_STACK_KIB * per)
    seconds = 1 if lab.quick else IDLE_S
    start = ticks(pids)
    time.sleep(seconds)
    lab.put("idle_cpu_ticks", ticks(pids) - start)
    lab.put("idle_s", seconds)


def many(lab):
    """Sessions that sleep: what they take, and what the one that is active pays for them."""
    sessions, pairs, ms = (100, 2, 20) if lab.quick else (1000, 21, 100)
    with Daemon(lab, "enforce", DENY) as one, Daemon(lab, "enforce", DENY) as full:
        before, before_threads = total(full.pids(), "smaps_rollup", "Pss:"), threads(full.pids())
        among = {"sessions": sessions, "active": 1}
        with Caller(lab, full, **among) as ours, Caller(lab, one) as alone, \
             Caller(lab, **among) as floor, Caller(lab) as floor_alone:
            memory(lab, full, before, before_threads, sessions)
            callers = {"ours": ours, "alone": alone, "floor": floor, "floor_alone": floor_alone}
            runs = {name: (lambda c=c: c.run(ms)["us"]) for name, c in callers.items()}
            shuffled(runs)
            rows = [shuffled(runs) for _ in range(pairs)]
        lab.put("active_among_many_us", median(rows, "ours"))
        lab.put("active_alone_us", median(rows, "alone"))
        lab.put("active_among_many_floor_us", median(rows, "floor"))
        lab.put("active_alone_floor_us", median(rows, "floor_alone"))
        lab.put_ratio("active_among_many_ratio", [r["ours"] / r["alone"] for r in rows])
        lab.put_ratio("active_among_many_floor_ratio", [r["floor"] / r["floor_alone"] for r in rows])
    used(lab, sessions)


def used(lab, sessions):
    """The same memory after each session has made events: pages of its ring are in use."""
    with Daemon(lab, "enforce", DENY) as daemon:
        before = total(daemon.pids(), "smaps_rollup", "Pss:")
        with Caller(lab, daemon, sessions=sessions) as caller:
            caller.run(500)
            lab.put("calls_per_session_before", caller.calls / sessions)
            lab.put("rss_kib_per_used_session", (total(daemon.pids(), "smaps_rollup", "Pss:") - before) / sessions)


def flood(lab):
    """One session floods from 8 threads; the median latency of another."""
    pairs, ms = (2, 50) if lab.quick else (15, 400)
    loud, quiet = {"callers": 8}, {"samples": True}
    with Daemon(lab, "enforce", DENY) as daemon, \
         Caller(lab, daemon, **loud) as our_flood, Caller(lab, daemon, **quiet) as ours, \
         Caller(lab, **loud) as sync_flood, Caller(lab, no_sync=True, **loud) as nosync_flood, \
         Caller(lab, **quiet) as floor:
        def beside(flooder, caller):
            flooder.start(ms + 200)
            time.sleep(0.1)
            result = caller.run(ms)["p50_us"]
            rate = flooder.read()["calls_per_s"]
            daemon.trim()
            return result, rate
        runs = {"ours": lambda: beside(our_flood, ours), "sync": lambda: beside(sync_flood, floor),
                "nosync": lambda: beside(nosync_flood, floor),
                "alone": lambda: (ours.run(ms)["p50_us"], 0), "floor_alone": lambda: (floor.run(ms)["p50_us"], 0)}
        shuffled(runs)
        rows = [shuffled(runs) for _ in range(pairs)]
    us = [{name: r[name][0] for name in r} for r in rows]
    # The same load: the floor that answers the flood at the higher rate, as `throughput` compares.
    like = max("sync", "nosync", key=lambda name: statistics.median(r[name][1] for r in rows))
    lab.put("flood_neighbour_us", median(us, "ours"))
    lab.put("flood_neighbour_floor_us", median(us, like))
    lab.put("flood_neighbour_floor_sync_us", median(us, "sync"))
    lab.put("flood_neighbour_floor_nosync_us", median(us, "nosync"))
    lab.put("flood_neighbour_alone_us", median(us, "alone"))
    lab.put("flood_neighbour_floor_alone_us", median(us, "floor_alone"))
    lab.put("flood_calls_per_s", statistics.median(r["ours"][1] for r in rows))
    lab.put("flood_floor_sync_calls_per_s", statistics.median(r["sync"][1] for r in rows))
    lab.put("flood_floor_nosync_calls_per_s", statistics.median(r["nosync"][1] for r in rows))
    lab.put_ratio("flood_neighbour_ratio", [r["ours"] / r[like] for r in us])
    lab.put_ratio("flood_raise_ratio", [r["ours"] / r["alone"] for r in us])
    lab.put_ratio("flood_raise_floor_ratio", [r[like] / r["floor_alone"] for r in us])


def restart(lab):
    """kill -9 to the worker while a caller calls: the longest that a call took."""
    gaps = []
    with Daemon(lab, "enforce", DENY) as daemon, Caller(lab, daemon, samples=True) as caller:
        for _ in range(3 if lab.quick else 15):
            victim = wait_until("a worker", daemon.worker)
            caller.start(300)
            time.sleep(0.1)
            os.kill(victim, signal.SIGKILL)
            gaps.append(caller.read()["longest_us"] / 1000)
            daemon.trim()
    lab.put("worker_restart_ms", statistics.median(gaps))
    lab.put("worker_restart_longest_ms", max(gaps))
    lab.put("worker_restarts", len(gaps))
