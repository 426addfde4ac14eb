#!/usr/bin/env python3
"""The other end of a hand-over, misbehaving.

peer.py hang PATH            listens at PATH; its queue is full and it never accepts
peer.py mute PATH            accepts and never says a word
peer.py send PATH WHAT       sends WHAT to a warderd and waits until it hangs up (exit 1 if it does not)
peer.py whats                lists every WHAT
"""
import array, json, os, signal, socket, sys

STATE = {"ociVersion": "1.0.2", "fds": ["seccompFd"], "pid": 1, "metadata": "",
         "state": {"ociVersion": "1.0.2", "id": "bad", "status": "creating", "pid": 1, "bundle": "/tmp"}}


def state(**changes):
    return json.dumps({**STATE, **changes}).encode()


# name: (bytes, descriptors that go with the first of them)
WHATS = {
    "nothing-of-json": (b"\x00\xff\x7fELF", 1),
    "truncated": (state()[:-20], 1),
    "empty-object": (b"{}", 1),
    "a-list": (b"[]", 1),
    "two-documents": (b"{}{}", 1),
    "deep": (b"[" * 5000 + b"]" * 5000, 1),
    "oversized": (state(metadata="x" * (2 << 20)), 1),
    "without-descriptor": (state(), 0),
    "no-listener": (state(), 1),
    "more-names-than-descriptors": (state(fds=["a", "seccompFd"]), 1),
    "laden": (state(), 200),
    "two-listeners": (state(fds=["seccompFd", "seccompFd"]), 2),
    "pid-0": (state(pid=0), 1),
    "question-without-end": (b'{"warder": 1, "ask": {', 0),
    "empty-question": (b'{"warder": 1, "ask": {}}', 0),
    "other-version": (b'{"warder": 99, "ask": {"id": "x"}}', 0),
    "path-as-policy": (b'{"warder": 1, "ask": {"id": "x", "policy": "../../etc/shadow"}}', 0),
}


def listen(path, backlog):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(backlog)
    return s


def hang(path):
    s, full = listen(path, 0), []
    while True:
        c = socket.socket(socket.AF_UNIX)
        c.setblocking(False)
        try:
            c.connect(path)
        except BlockingIOError:
            return s, full
        full.append(c)


def mute(path):
    s, kept = listen(path, 16), []
    print("ready", flush=True)
    while True:
        kept.append(s.accept())


def send(path, what):
    text, n = WHATS[what]
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(path)
    fds = array.array("i", [os.open("/dev/null", os.O_RDONLY) for _ in range(n)])
    try:
        sent = s.sendmsg([text], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if n else [])
        s.sendall(text[sent:])
        s.shutdown(socket.SHUT_WR)
        while s.recv(4096):
            pass
    except (BrokenPipeError, ConnectionResetError):
        pass


if sys.argv[1] == "whats":
    print("\n".join(WHATS))
elif sys.argv[1] == "send":
    send(*sys.argv[2:])
elif sys.argv[1] == "mute":
    mute(sys.argv[2])
else:
    held = hang(sys.argv[2])
    print("ready", flush=True)
    signal.pause()
