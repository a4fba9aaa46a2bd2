"""Start with 100,000 known instances, and reload of 100 services x 100 instances that did not change.

  python3 bench/start.py [rounds]

Start: from the process's beginning to /live answering, with a state.db that remembers every instance. Reload: from the
request to its answer; no probe may be lost (the schedule goes on).
"""

import contextlib
import os
import statistics
import sys
import time
import urllib.request

from common import HALE, Started, api, need, say, spread, wait_for
from memory import config


def probes(where):
    text = urllib.request.urlopen(f"http://{where['admin']}/metrics", timeout=30).read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("hale_probes_total{"))


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    need(HALE)
    with Started() as started:
        text = config(100_000)
        process, where, _ = started.hale(text, wait_seconds=120)
        wait_for(lambda: probes(where) >= 100_000, "every instance to be probed once", 180)
        process.terminate()
        process.wait(60)
        took = []
        for _ in range(rounds):
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(started.path("hale-state"), "listen.json"))
            begin = time.monotonic()
            process, where, _ = started.hale(text, wait_seconds=60)
            took.append(time.monotonic() - begin)
            process.terminate()
            process.wait(60)
        say(f"start with 100,000 known instances: {spread(took)} s")

    with Started() as started:
        backends = started.backend("--addresses", 100, "--ports", 100)
        services = []
        for s in range(100):
            lines = "\n".join(f'      - "{a}"' for a in backends[s * 100:(s + 1) * 100])
            services.append(f"  s{s}:\n    hosts: [s{s}.test]\n    check: {{http: /up, interval: 10s}}\n    instances:\n{lines}\n")
        text = 'listen: {admin: "127.0.0.1:0", http: "127.0.0.1:0"}\nstate: STATE\nservices:\n' + "".join(services)
        _, where, token = started.hale(text, wait_seconds=120)
        wait_for(lambda: probes(where) >= 10_000, "the first round", 60)
        took, rates = [], []
        for _ in range(rounds):
            before, begin = probes(where), time.monotonic()
            api(where, token, "/api/v1/config:reload", "POST", {})
            took.append((time.monotonic() - begin) * 1000)
            wait_for(lambda: time.monotonic() > begin + 5, "five seconds of schedule", 10)
            rates.append((probes(where) - before) / (time.monotonic() - begin))
        say(f"reload of 100 x 100 unchanged: {spread(took, 0)} ms; schedule of 1,000 probes/s went on at {statistics.median(rates):.0f}/s (lowest {min(rates):.0f})")


main()
