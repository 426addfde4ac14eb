#!/usr/bin/env python3
"""Clients of api.sock that mean no good: abuse.py SOCKET KIND. Each ends by itself."""
import resource
import socket
import sys
import time

path, kind = sys.argv[1:]


def dial():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(path)
    return s


def answer(s):
    data = b""
    try:
        while True:
            more = s.recv(65536)
            if not more:
                return data
            data += more
    except OSError:
        return data


def say(data):
    s = dial()
    try:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    return answer(s)


def drip():
    """A byte at a time: hung up on after 10 s, not held for ever."""
    s = dial()
    start = time.monotonic()
    try:
        for c in b"GET /v1/health HTTP/1.1\r\nX: " + b"a" * 1000:
            s.sendall(bytes([c]))
            time.sleep(0.05)
    except OSError:
        pass
    took = time.monotonic() - start
    assert 5 < took < 15, took


def many():
    """10,000 connections, as many at a time as there may be; each says half a request."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    done, held = 0, []
    while done < 10000:
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        try:
            s.connect(path)
            s.send(b"GET /v1/sessions HT")
            held.append(s)
        except OSError:
            s.close()
        done += 1
        if len(held) > 500:
            for s in held:
                s.close()
            held = []


def malformed():
    for data in [b"", b"\0" * 5000, b"GET\r\n\r\n", b"\xff\xfe HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
                 b"GET /%00%ff%2e%2e/x HTTP/1.1\r\nHost: x\r\n\r\n", b"PUT /v1/mode HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
                 b"PUT /v1/mode HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
                 b"PUT /v1/mode HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nx",
                 b"PUT /v1/mode HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + b"[" * 9000,
                 b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 50000 + b"\r\n",
                 b"PUT /v1/mode HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b" " * 1000000]:
        for _ in range(20):
            got = say(data)
            assert b" 200 " not in got.split(b"\r\n")[0], (data[:80], got[:200])


def stopped():
    """Readers of the stream that read nothing; one more than there may be is told so."""
    readers = []
    for _ in range(16):
        s = dial()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert s.recv(12) == b"HTTP/1.1 200"
        readers.append(s)
    got = say(b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 503"), got
    time.sleep(2)


{"drip": drip, "many": many, "malformed": malformed, "stopped": stopped}[kind]()
