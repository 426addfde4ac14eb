"""What every section uses: a warderd of its own, callers that stay alive between measurements, figures."""

import json
import os
import random
import select
import statistics
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DENY = {"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["getppid"], "action": "SCMP_ACT_ERRNO"}]}
ALLOW = {"defaultAction": "SCMP_ACT_ALLOW"}


class Wrong(Exception):
    """An answer, a count or a program that is not as it must be: the only way a benchmark fails."""


def docker_profile():
    with open(HERE + "/../data/docker-default.json") as f:
        return json.load(f)


def docker_deny():
    """Docker's default profile, but for getppid."""
    profile = docker_profile()
    for rule in profile["syscalls"]:
        rule["names"] = [n for n in rule["names"] if n != "getppid"]
    return profile


def proc(pid, name):
    try:
        with open(f"/proc/{pid}/{name}") as f:
            return f.read()
    except OSError:
        return ""


def wait_until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise Wrong(f"waited {seconds} s for {what}")
        time.sleep(0.005)
    return value


class Lab:
    """A folder, the built programs, the figures so far."""

    def __init__(self, build, folder, quick):
        self.build, self.dir, self.quick, self.out = build, folder, quick, {}
        self.serial = 0

    def folder(self):
        self.serial += 1
        path = f"{self.dir}/{self.serial}"
        os.mkdir(path)
        return path

    def put(self, key, value):
        self.out[key] = round(value, 4) if isinstance(value, float) else value
        print(f"{key:44} {self.out[key]:>14,}" if not isinstance(value, str) else f"{key:44} {value}", flush=True)

    def put_ratio(self, key, ratios):
        """The median of paired ratios and its 95 % interval (bootstrap over the pairs)."""
        self.put(key, statistics.median(ratios))
        boots = sorted(statistics.median(random.choices(ratios, k=len(ratios))) for _ in range(2000))
        self.put(key + "_lo", boots[50])
        self.put(key + "_hi", boots[1949])
        self.put(key + "_pairs", len(ratios))


class Daemon:
    """A warderd in a folder of its own, its events in memory."""

    def __init__(self, lab, mode, policy):
        self.dir = lab.folder()
        os.mkdir(self.dir + "/p")
        with open(self.dir + "/p/bench.json", "w") as f:
            json.dump(policy, f)
        self.sock, self.events = self.dir + "/s", self.dir + "/events"
        ready, w = os.pipe()
        with open(self.dir + "/log", "w") as log:
            self.proc = subprocess.Popen(
                [lab.build + "/warderd", "--socket", self.sock, "--policies", self.dir + "/p",
                 "--policy", "bench", "--mode", mode, "--events", self.events, "--ready-fd", str(w),
                 "--timeout", "60s"], pass_fds=[w], stderr=log, stdin=subprocess.DEVNULL)
        os.close(w)
        ok = os.read(ready, 1)
        os.close(ready)
        if not ok:
            raise Wrong("warderd does not start: " + open(self.dir + "/log").read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.terminate()
        try:
            self.proc.wait(20)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        subprocess.run(["rm", "-rf", self.dir], check=False)

    def pids(self):
        """The keeper and all that descend from it."""
        found = [self.proc.pid]
        for pid in found:
            for task in os.listdir(f"/proc/{pid}/task"):
                found += map(int, proc(pid, f"task/{task}/children").split())
        return found

    def worker(self):
        return next((p for p in self.pids() if proc(p, "comm").strip() == "warderd-worker"), None)

    def pin_worker(self, cpu):
        """All its threads, and so those that it will start."""
        worker = wait_until("a worker", self.worker)
        for tid in os.listdir(f"/proc/{worker}/task"):
            os.sched_setaffinity(int(tid), {cpu})

    def trim(self):
        if os.path.getsize(self.events):
            os.truncate(self.events, 0)

    def session_end(self, container):
        """The line with the session's counters, once it is there."""
        def look():
            with open(self.events, "rb") as f:
                for line in f:
                    if b'"session_end"' in line and f'"{container}"'.encode() in line:
                        return json.loads(line)
            return None
        return wait_until(f"the end of session {container}", look)


class Caller:
    """A running tests/bench/caller: its sessions sleep until run(). daemon None: the floor answers."""

    def __init__(self, lab, daemon=None, **options):
        self.daemon, self.calls = daemon, 0
        argv = [lab.build + "/tests/bench/caller"] + (["--socket", daemon.sock] if daemon else [])
        for name, value in options.items():
            argv += [] if value is False else ["--" + name.replace("_", "-")] + ([] if value is True else [str(value)])
        self.proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.read(120)

    def start(self, ms):
        self.proc.stdin.write(f"run {ms}\n")
        self.proc.stdin.flush()

    def read(self, seconds=60):
        if not select.select([self.proc.stdout], [], [], seconds)[0]:
            raise Wrong("calls that are not answered: " + " ".join(self.proc.args))
        line = self.proc.stdout.readline()
        if not line:
            raise Wrong("ended: " + " ".join(self.proc.args))
        result = json.loads(line)
        self.calls += result.get("calls", 0)
        if result.get("wrong"):
            raise Wrong(f"{result['wrong']} wrong answers: " + " ".join(self.proc.args))
        return result

    def run(self, ms):
        self.start(ms)
        return self.read()

    def id(self, session=0):
        return f"bench-{self.proc.pid}-{session}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.stdin.close()
        self.proc.wait()
        self.proc.stdout.close()


def shuffled(runs):
    """Makes each of {name: function} in an order of chance; {name: result}."""
    return {name: runs[name]() for name in random.sample(list(runs), len(runs))}


def median(rows, name, key=None):
    return statistics.median(r[name][key] if key else r[name] for r in rows)
