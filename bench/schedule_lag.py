"""Schedule lag p99: 10,000 checks at 10 s, 5 % of them black holes, two minutes.

  python3 bench/schedule_lag.py [seconds]

Runs in a network namespace of its own, whose dummy interface swallows what goes to 10.255.0.0/16.
"""

import os
import subprocess
import sys
import time
import urllib.request

from common import HALE, Started, need, say, wait_for

CHECKS, HOLES = 10_000, 500
NAMESPACE = f"hale-bench-{os.getpid()}"


def lag_counts(where):
    text = urllib.request.urlopen(f"http://{where['admin']}/metrics", timeout=30).read().decode()
    counts = {}
    for line in text.splitlines():
        if line.startswith("hale_schedule_lag_seconds_bucket{"):
            bound = line.split('le="')[1].split('"')[0]
            counts[bound] = counts.get(bound, 0) + float(line.rsplit(" ", 1)[1])
    return counts


def inside(seconds):
    need(HALE)
    with Started() as started:
        backends = started.backend("--addresses", 95, "--ports", 100)
        addresses = backends[:CHECKS - HOLES] + [f"10.255.{1 + i // 250}.{1 + i % 250}:80" for i in range(HOLES)]
        lines = "\n".join(f'      - "{a}"' for a in addresses)
        _, where, _ = started.hale(f'listen: {{admin: "127.0.0.1:0"}}\nstate: STATE\nworkers: 1\nservices:\n  fleet:\n'
                                   f"    check: {{http: /up, interval: 10s, timeout: 2s}}\n    instances:\n{lines}\n", cpu=1, wait_seconds=60)
        settle = time.monotonic() + 25
        wait_for(lambda: time.monotonic() > settle, "the first rounds", 40)
        before = lag_counts(where)
        end = time.monotonic() + seconds
        wait_for(lambda: time.monotonic() > end, "the measurement", seconds + 10)
        after = lag_counts(where)
        total = after["+Inf"] - before["+Inf"]
        bounds = sorted((float(b), after[b] - before[b]) for b in after if b != "+Inf")
        p99 = next((b for b, n in bounds if n >= 0.99 * total), float("inf"))
        p50 = next((b for b, n in bounds if n >= 0.5 * total), float("inf"))
        say(f"schedule lag of {total:.0f} probes ({CHECKS} checks at 10 s, {HOLES} black holes): p50 <= {p50 * 1000:g} ms, p99 <= {p99 * 1000:g} ms")


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "--inside":
        return inside(float(sys.argv[2]))
    seconds = sys.argv[1] if len(sys.argv) > 1 else "60"
    run = lambda *argv: subprocess.run(argv, check=True)
    run("ip", "netns", "add", NAMESPACE)
    try:
        for command in ("link set lo up", "link add hole type dummy", "addr add 10.255.0.1/16 dev hole", "link set hole up"):
            run("ip", "-n", NAMESPACE, *command.split())
        subprocess.run(["ip", "netns", "exec", NAMESPACE, sys.executable, os.path.abspath(__file__), "--inside", seconds], check=True)
    finally:
        run("ip", "netns", "del", NAMESPACE)


main()
