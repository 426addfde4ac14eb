"""Sections with real containers: what the hook costs, and whole workloads under each kind of watching."""

import json
import os
import re
import shlex
import socket
import statistics
import subprocess
import time

from lab import Daemon, Wrong, docker_profile, median, shuffled, wait_until

CRUN = "umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec crun --cgroup-manager=disabled "
PORT = 7379
BUSYBOX_DIRS = ("bin", "proc", "dev", "sys", "tmp")


class Bundle:
    """A container's folder; run() or start() it again and again, each time under a new name."""

    def __init__(self, lab, root=None):
        self.lab, self.dir, self.serial = lab, lab.folder(), 0
        subprocess.run(["runc", "spec", "-b", self.dir], check=True)
        with open(self.dir + "/config.json") as f:
            self.config = json.load(f)
        self.config["process"]["terminal"] = False
        self.config["linux"].pop("seccomp", None)
        # crun does not know the hybrid hierarchy, and nothing here looks at it.
        self.config["mounts"] = [m for m in self.config["mounts"] if m["type"] != "cgroup"]
        self.config["root"] = {"path": root or self.busybox(), "readonly": False}

    def busybox(self):
        root = self.dir + "/rootfs"
        for name in BUSYBOX_DIRS:
            os.makedirs(f"{root}/{name}")
        subprocess.run(["cp", "/bin/busybox", root + "/bin"], check=True)
        return root

    def write(self, argv, daemon=None, seccomp=None):
        """daemon: the hook hands the container over to it."""
        hooks = [{"path": self.lab.build + "/warder-hook", "args": ["warder-hook", "--socket", daemon.sock]}] \
            if daemon else []
        self.config["process"]["args"] = argv
        self.config["hooks"] = {"prestart": hooks}
        self.config["linux"]["seccomp"] = seccomp
        with open(self.dir + "/config.json", "w") as f:
            json.dump(self.config, f)

    def command(self, runtime="runc"):
        self.serial += 1
        self.id = f"{os.path.basename(self.lab.dir)}-{os.path.basename(self.dir)}-{self.serial}"
        words = ["--root", f"{self.lab.dir}/{runtime}", "run", "-b", self.dir, self.id]
        return ["runc", *words] if runtime == "runc" else ["unshare", "-m", "sh", "-c", CRUN + shlex.join(words)]

    def run(self, runtime="runc"):
        """Its output, and how long all of it took."""
        start = time.monotonic()
        p = subprocess.run(self.command(runtime), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if p.returncode:
            raise Wrong(f"a container under {runtime}: {p.stdout}{p.stderr}")
        return p.stdout, (time.monotonic() - start) * 1000

    def start(self):
        return subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def kill(self):
        subprocess.run(["runc", "--root", f"{self.lab.dir}/runc", "kill", self.id, "KILL"], check=False,
                       capture_output=True)


def hook(lab):
    """What the hook adds to `run` of a container that only exits."""
    pairs = 3 if lab.quick else 31
    bundle = Bundle(lab)
    with Daemon(lab, "enforce", docker_profile()) as daemon:
        def run(runtime, hooked):
            bundle.write(["/bin/busybox", "true"], daemon if hooked else None)
            return bundle.run(runtime)[1]
        for runtime, name in (("runc", ""), ("crun", "crun_")):
            runs = {"with": lambda: run(runtime, True), "without": lambda: run(runtime, False)}
            shuffled(runs)  # the policy is compiled once
            rows = [shuffled(runs) for _ in range(pairs)]
            lab.put(f"{name}hook_ms", statistics.median(r["with"] - r["without"] for r in rows))
            lab.put(f"{runtime}_run_ms", median(rows, "without"))
            lab.put(f"{runtime}_run_hooked_ms", median(rows, "with"))
            lab.put_ratio(f"{runtime}_run_hooked_ratio", [r["with"] / r["without"] for r in rows])


def oci_profile():
    """Docker's default as runc takes it: conditions on capabilities resolved for a container without any that the
    profile asks about, on this kernel."""
    profile = docker_profile()
    kernel = [int(n) for n in re.findall(r"\d+", os.uname().release)[:2]]

    def holds(rule):
        wants = rule.get("includes") or {}
        return not wants.get("caps") and "amd64" in wants.get("arches", ["amd64"]) and \
            kernel >= [int(n) for n in wants.get("minKernel", "0.0").split(".")] and \
            "amd64" not in (rule.get("excludes") or {}).get("arches", [])
    keys = ("names", "action", "args", "errnoRet")
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": [{k: rule[k] for k in keys if rule.get(k)} for rule in profile["syscalls"] if holds(rule)]}


MODES = ("native", "profile", "audit", "enforce", "record", "strace")
FILES = "find /mnt -type f | wc -l; grep -rl needle /mnt | wc -l; tar cf - -C /mnt . | wc -c"
SPAWN = "for ((i = 0; i < {n}; i++)); do /bin/true; done; echo $i"
SCRIPT = "s=$EPOCHREALTIME; a=$({work}); e=$EPOCHREALTIME; echo $s $e $a"
REDIS = ["bash", "-c", f"exec -a redis-server redis-check-rdb --port {PORT} --bind 127.0.0.1 --save '' --dir /tmp"]


class Machine:
    """Containers whose root is this machine's own (their writes go to memory), with a tree of files in /mnt."""

    def __init__(self, lab, files):
        self.lab, base = lab, lab.folder()
        for name in ("root", "upper", "work", "tree"):
            os.mkdir(f"{base}/{name}")
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                        f"lowerdir=/,upperdir={base}/upper,workdir={base}/work", base + "/root"], check=True)
        for i in range(files):
            os.makedirs(f"{base}/tree/{i // 50}", exist_ok=True)
            with open(f"{base}/tree/{i // 50}/{i}", "w") as f:
                f.write(("needle\n" if i % 10 == 0 else "hay\n") * 200)
        self.bundle = Bundle(lab, base + "/root")
        config = self.bundle.config
        config["mounts"].append({"destination": "/mnt", "type": "bind", "source": base + "/tree",
                                 "options": ["rbind", "ro"]})
        config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "network"]
        self.daemons = {mode: Daemon(lab, mode, docker_profile()) for mode in ("audit", "enforce", "record")}
        self.answers = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for daemon in self.daemons.values():
            daemon.__exit__()

    def write(self, mode, argv):
        trace = ["strace", "-f", "-o", "/dev/null", "--"] if mode == "strace" else []
        self.bundle.write(trace + argv, self.daemons.get(mode), oci_profile() if mode == "profile" else None)

    def script(self, work, mode):
        """ms inside the container; what it found must be what it finds natively."""
        self.write(mode, ["bash", "-c", SCRIPT.replace("{work}", work)])
        start, end, *answer = self.bundle.run()[0].split()
        if self.answers.setdefault(work, answer) != answer:
            raise Wrong(f"{mode}: {answer} where it was {self.answers[work]}: {work}")
        if mode in self.daemons:
            self.daemons[mode].trim()
        return (float(end) - float(start)) * 1000

    def redis(self, requests, mode):
        """us a request: a server in the container, its clients outside."""
        self.write(mode, REDIS)
        server = self.bundle.start()
        try:
            wait_until("redis", lambda: listening(server))
            text = subprocess.run(["redis-benchmark", "-p", str(PORT), "-n", str(requests), "-c", "20", "-t", "get",
                                   "--csv"], capture_output=True, text=True, check=True).stdout
            return 1e6 / float(re.search(r'"GET","([\d.]+)"', text).group(1))
        finally:
            self.bundle.kill()
            server.communicate()


def listening(server):
    if server.poll() is not None:
        raise Wrong("redis ended: " + server.stderr.read())
    try:
        socket.create_connection(("127.0.0.1", PORT), 1).close()
        return True
    except OSError:
        return False


def workloads(lab):
    rounds, files, spawns, requests = (1, 100, 20, 2000) if lab.quick else (7, 5000, 500, 40000)
    with Machine(lab, files) as machine:
        spawn = SPAWN.replace("{n}", str(spawns))
        works = {"files": ("ms", lambda mode: machine.script(FILES, mode)),
                 "spawn": ("ms", lambda mode: machine.script(spawn, mode)),
                 "redis": ("us_per_request", lambda mode: machine.redis(requests, mode))}
        for name, (unit, work) in works.items():
            work("native")  # caches are warm, the answer is known
            rows = [shuffled({mode: (lambda mode=mode: work(mode)) for mode in MODES}) for _ in range(rounds)]
            for mode in MODES:
                lab.put(f"{name}_{mode}_{unit}", median(rows, mode))
            for mode in MODES[1:]:
                lab.put_ratio(f"{name}_{mode}_ratio", [r[mode] / r["native"] for r in rows])
