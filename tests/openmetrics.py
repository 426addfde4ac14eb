#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads OpenMetrics 1.0 text on stdin, strictly (github.com/OpenObservability/OpenMetrics); exits 1 with
the line and the rule that it breaks."""
import math
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL})(?:,{LABEL})*)?\}})? (\S+)$")
SUFFIXES = {"counter": ["_total", "_created"], "gauge": [""], "info": ["_info"],
            "histogram": ["_bucket", "_count", "_sum", "_created"]}


def fail(number, line, why):
    sys.exit(f"openmetrics: line {number}: {why}: {line!r}")


def number_of(text):
    return float(text.replace("Inf", "inf"))


def check_histogram(number, line, buckets):
    les = [le for le, _ in buckets]
    counts = [n for _, n in buckets]
    if les != sorted(les) or not les or not math.isinf(les[-1]):
        fail(number, line, "buckets are not in order or have no +Inf")
    if counts != sorted(counts):
        fail(number, line, "buckets are not cumulative")


def main():
    raw = sys.stdin.buffer.read()
    text = raw.decode("utf-8")  # strict
    if not text.endswith("\n# EOF\n"):
        sys.exit("openmetrics: the last line is not # EOF")
    family, kind, meta, seen, samples, buckets = None, None, set(), set(), set(), []
    for number, line in enumerate(text.split("\n")[:-2], 1):
        if line.startswith("#"):
            match = re.fullmatch(rf"# (TYPE|UNIT|HELP) ({NAME}) (.+)", line)
            if not match:
                fail(number, line, "no TYPE, UNIT or HELP")
            word, name, rest = match.groups()
            if name != family:
                if buckets:
                    check_histogram(number, line, buckets)
                if name in seen:
                    fail(number, line, "the family comes twice")
                family, kind, meta, buckets = name, "unknown", set(), []
                seen.add(name)
            elif samples and any(s[0].startswith(family) for s in samples):
                fail(number, line, "metadata after the family's samples")
            if word in meta:
                fail(number, line, f"a second {word}")
            meta.add(word)
            if word == "TYPE":
                if rest not in SUFFIXES:
                    fail(number, line, "no such type")
                kind = rest
            if word == "UNIT" and not name.endswith("_" + rest):
                fail(number, line, "the name does not end in its unit")
            continue
        match = SAMPLE.fullmatch(line)
        if not match:
            fail(number, line, "no sample")
        name, value = match.group(1), match.group(match.lastindex)
        labels = re.findall(LABEL, match.group(2) or "")
        if len({k for k, _ in labels}) != len(labels):
            fail(number, line, "a label comes twice")
        if family is None or name not in [family + s for s in SUFFIXES.get(kind, [])]:
            fail(number, line, f"not a sample of {family} ({kind})")
        if not {"TYPE", "HELP"} <= meta:
            fail(number, line, "the family has no TYPE or HELP")
        key = (name, tuple(sorted(labels)))
        if key in samples:
            fail(number, line, "the sample comes twice")
        samples.add(key)
        try:
            n = number_of(value)
        except ValueError:
            fail(number, line, "no number")
        if kind in ("counter", "histogram") and (n < 0 or math.isnan(n)):
            fail(number, line, "a counter below 0")
        if kind == "info" and n != 1:
            fail(number, line, "an info that is not 1")
        if kind == "histogram" and name.endswith("_bucket"):
            buckets.append((number_of(dict(labels)["le"]), n))
    if buckets:
        check_histogram(0, "", buckets)


main()
