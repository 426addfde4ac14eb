#!/usr/bin/env python3
"""Swaps a session's policy between two that differ in an errno: swap.py SOCKET WANT POLICIES ROUNDS. The
file WANT says, as (round << 16 | errno), which errno alone may come; 0: either."""
import http.client
import json
import mmap
import socket
import struct
import sys

sock, want, policies, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])


class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sock)


def ask(method, path, body=None):
    c = Unix("warder", timeout=20)
    c.request(method, path, json.dumps(body) if body is not None else None)
    r = c.getresponse()
    answer = json.loads(r.read())
    assert r.status == 200, answer
    return answer


def policy(errno):
    return json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno}]})


with open(want, "r+b") as f:
    page = mmap.mmap(f.fileno(), 4096)
for n in range(1, rounds + 1):
    errno = 13 if n % 2 else 95
    struct.pack_into("<I", page, 0, 0)
    if n % 4 < 2:
        ask("PUT", "/v1/sessions/1/policy", {"policy": "p%d" % errno})
    else:
        name = ask("GET", "/v1/sessions/1")["policy"]
        with open("%s/%s.json" % (policies, name), "w") as f:
            f.write(policy(errno))
        assert ask("POST", "/v1/reload")["policies"][0]["result"] == "replaced"
    struct.pack_into("<I", page, 0, n << 16 | errno)
    for e in (13, 95):
        with open("%s/p%d.json" % (policies, e), "w") as f:
            f.write(policy(e))
struct.pack_into("<I", page, 4, 1)
