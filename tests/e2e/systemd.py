#!/usr/bin/env python3
"""systemd's side of sd_notify(3) and its descriptor store, for tests.

systemd.py DIR [FAIL] -- COMMAND...   starts COMMAND with NOTIFY_SOCKET, listens at DIR/notify, writes each message as a
                               line to DIR/messages; at each line on stdin ("start") it starts COMMAND again, with what
                               is stored in LISTEN_FDS; "sockets" before it makes listener.sock and api.sock itself.
                               Its pid is in DIR/pid.
"""
import array, os, socket, sys, threading

dir, command = sys.argv[1], sys.argv[3:]
store = []  # (name, descriptor)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(dir + "/notify")
notify.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
lock = threading.Lock()


def same(a, b):
    return os.fstat(a)[:2] == os.fstat(b)[:2] and os.readlink(f"/proc/self/fd/{a}") == os.readlink(f"/proc/self/fd/{b}")


def hear():
    messages = open(dir + "/messages", "a", buffering=1)
    while True:
        data, control, _, _ = notify.recvmsg(4096, socket.CMSG_SPACE(4 * 16))
        fds = array.array("i")
        for level, kind, payload in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(payload)
        words = dict(line.split("=", 1) for line in data.decode().splitlines())
        with lock:
            if "FDSTORE" in words:
                store.extend((words["FDNAME"], fd) for fd in fds)
            if "FDSTOREREMOVE" in words:
                for name, fd in [s for s in store if s[0] == words["FDNAME"]]:
                    store.remove((name, fd))
                    os.close(fd)
        messages.write(" ".join(data.decode().splitlines()) + "\n")


def listen(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(64)
    return s.detach()


def start(extra):
    with lock:
        given = extra + store
    pid = os.fork()
    if pid:
        with open(dir + "/pid", "w") as f:
            f.write(str(pid))
        return pid
    # Above where they shall be, then down in order: nothing is overwritten.
    high = [os.dup2(fd, 500 + i, inheritable=True) for i, (_, fd) in enumerate(given)]
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i, inheritable=True)
        os.close(fd)
    os.closerange(3 + len(given), 500)
    os.environ.update(NOTIFY_SOCKET=dir + "/notify", LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)),
                      LISTEN_FDNAMES=":".join(name for name, _ in given), WATCHDOG_USEC="400000")
    os.execvp(command[0], command)


threading.Thread(target=hear, daemon=True).start()
extra = []
for line in sys.stdin:
    if line.strip() == "sockets":
        extra = [("listener.sock", listen(dir + "/s")), ("api.sock", listen(dir + "/api.sock"))]
    elif line.strip() == "start":
        pid = start(extra)
        threading.Thread(target=os.waitpid, args=(pid, 0), daemon=True).start()
