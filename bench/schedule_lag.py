"""Schedule lag: 10,000 checks at 10 s, 5 % of them black holes.

  python3 bench/schedule_lag.py [rounds]

A round is 10 s: each check comes once. The lag is hale_schedule_lag_seconds: from a probe's time (its slot of the fixed
schedule, or the pause before a confirmation) to the moment it left, waiting for a place counted. Within a bucket the
quantile is interpolated. Runs in a network namespace of its own, where one end of a virtual cable swallows what goes to
10.255.0.0/16. The daemon runs on CPU 1, the backends on CPU 0.
"""

import os
import signal
import subprocess
import sys
import time
import urllib.request

from common import HALE, Started, api, need, say, spread, wait_for

CHECKS, HOLES = 10_000, 500
NAMESPACE = f"hale-bench-{os.getpid()}"
INTERVAL, JUDGED_WITHIN = 10, 25


def lag_counts(where):
    text = urllib.request.urlopen(f"http://{where['admin']}/metrics", timeout=30).read().decode()
    counts = {}
    for line in text.splitlines():
        if line.startswith("hale_schedule_lag_seconds_bucket{"):
            bound = float(line.split('le="')[1].split('"')[0].replace("+Inf", "inf"))
            counts[bound] = counts.get(bound, 0) + float(line.rsplit(" ", 1)[1])
    return counts


def quantile_ms(counts, q):
    """As histogram_quantile() of Prometheus: linear within the bucket."""
    wanted = q * counts[float("inf")]
    below, below_count = 0.0, 0.0
    for bound, count in sorted(counts.items()):
        if count >= wanted:
            return bound * 1000 if bound == float("inf") or count == below_count else (below + (bound - below) * (wanted - below_count) / (count - below_count)) * 1000
        below, below_count = bound, count
    return float("inf")


def inside(rounds):
    need(HALE)
    with Started() as started:
        backends = started.backend("--addresses", 95, "--ports", 100)
        addresses = backends[:CHECKS - HOLES] + [f"10.255.{1 + i // 250}.{1 + i % 250}:80" for i in range(HOLES)]
        lines = "\n".join(f'      - "{a}"' for a in addresses)
        _, where, token = started.hale(f'listen: {{admin: "127.0.0.1:0"}}\nstate: STATE\nworkers: 1\nservices:\n  fleet:\n'
                                       f"    check: {{http: /up, interval: {INTERVAL}s, timeout: 2s}}\n    instances:\n{lines}\n", cpu=1, wait_seconds=60)

        def judged():
            counts = api(where, token, "/api/v1/services/fleet/verdict")["instances"]
            return counts["healthy"] == CHECKS - HOLES and counts["unhealthy"] == HOLES

        wait_for(judged, "every instance to be judged", JUDGED_WITHIN)
        told = []
        before, end = lag_counts(where), time.monotonic()
        for _ in range(rounds):
            end += INTERVAL
            wait_for(lambda: time.monotonic() >= end, "the round's end", INTERVAL + 5)
            after = lag_counts(where)
            counts = {bound: after[bound] - before[bound] for bound in after}
            before = after
            told.append([quantile_ms(counts, q) for q in (0.5, 0.99, 0.999)])
            say(f"  {counts[float('inf')]:.0f} probes: lag p50 {told[-1][0]:.2f} ms, p99 {told[-1][1]:.2f} ms, p99.9 {told[-1][2]:.2f} ms")
        if not judged():
            sys.exit("the verdicts changed while they were measured: the backends or the black holes are not what they should be")
        p50, p99, p999 = zip(*told)
        say(f"schedule lag, {CHECKS} checks at {INTERVAL} s, {HOLES} of them black holes, {rounds} rounds: "
            f"p50 {spread(p50)} ms, p99 {spread(p99)} ms, p99.9 {spread(p999)} ms")


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "--inside":
        return inside(int(sys.argv[2]))
    need("ip")
    rounds = sys.argv[1] if len(sys.argv) > 1 else "7"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # Cleans up as for any other end.
    run = lambda *argv: subprocess.run(argv, check=True)
    run("ip", "netns", "add", NAMESPACE)
    try:
        # Without ARP, what is sent into one end of the cable arrives at the other, which is nobody.
        for command in ("link set lo up", "link add hole type veth peer name void", "link set hole arp off", "link set void arp off", "link set void up",
                        "link set hole up", "addr add 10.255.0.1/16 dev hole"):
            run("ip", "-n", NAMESPACE, *command.split())
        inner = subprocess.Popen(["ip", "netns", "exec", NAMESPACE, sys.executable, os.path.abspath(__file__), "--inside", rounds])
        try:
            code = inner.wait()
        finally:
            inner.terminate()
            inner.wait()
    finally:
        run("ip", "netns", "del", NAMESPACE)
    sys.exit(code)


main()
