"""CPU per http check at 5,000 checks/s, pooled and fresh, beside haproxy's fresh check, in one run.

  python3 bench/checks_cpu.py [rounds] [seconds]
"""

import subprocess
import sys
import time

from common import HALE, Started, api, cpu_seconds, free_port, need, say, spread, wait_for

TARGETS = 1000
RATE = 5000


def hale_config(addresses, mode):
    instances = "\n".join(f'      - "{a}"' for a in addresses)
    return (f'listen: {{admin: "127.0.0.1:0"}}\nstate: STATE\nworkers: 1\ncheckers: 1\nservices:\n  fleet:\n'
            f"    check: {{http: /, interval: {TARGETS * 1000 // RATE}ms, timeout: 2s, connection: {mode}}}\n    instances:\n{instances}\n")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3.0
    need(HALE, "haproxy")
    with Started() as started:
        addresses = started.backend("--addresses", TARGETS)
        servers = "\n  ".join(f"server s{i} {a} check inter {TARGETS * 1000 // RATE}ms" for i, a in enumerate(addresses))
        haproxy = started.run(["haproxy", "-db", "-f", started.write("haproxy.cfg", f"""
global
  nbthread 1
  maxconn 4000

defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 1s
  timeout check 2s
frontend in
  bind 127.0.0.1:{free_port()}
  default_backend out
backend out
  option httpchk GET /
  http-check expect status 200
  {servers}
""")], cpu=1, stderr=subprocess.DEVNULL)
        provers = {"haproxy fresh": (haproxy.pid, None)}
        for mode in ("pooled", "fresh"):
            process, where, token = started.hale(hale_config(addresses, mode), cpu=1, name=f"hale-{mode}")

            def done(where=where, token=token):
                import urllib.request
                request = urllib.request.Request(f"http://{where['admin']}/metrics", headers={"Authorization": f"Bearer {token}"})
                text = urllib.request.urlopen(request, timeout=10).read().decode()
                return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("hale_probes_total{"))

            wait_for(lambda: done() > TARGETS * 3, f"hale {mode} to probe", 60)
            provers[f"hale {mode}"] = (process.pid, done)
        # Only one prober runs at a time: the others are stopped, so that they do not share the core.
        import os
        import signal
        for pid, _ in provers.values():
            os.kill(pid, signal.SIGSTOP)
        costs = {name: [] for name in provers}
        rates = {name: [] for name in provers}
        for _ in range(rounds):
            for name, (pid, done) in provers.items():
                os.kill(pid, signal.SIGCONT)
                settle = time.monotonic() + 1.5
                wait_for(lambda: time.monotonic() > settle, "the catch-up after the pause")
                first = done() if done else None
                before, begin = cpu_seconds(pid), time.monotonic()
                wait_for(lambda: time.monotonic() > begin + seconds, "the round", seconds + 5)
                used, took = cpu_seconds(pid) - before, time.monotonic() - begin
                checks = done() - first if done else RATE * took
                os.kill(pid, signal.SIGSTOP)
                costs[name].append(used / checks * 1e6)
                rates[name].append(checks / took)
        for pid, _ in provers.values():
            os.kill(pid, signal.SIGCONT)
        say(f"CPU per http check, {TARGETS} targets at {RATE}/s, {rounds} rounds of {seconds} s, prober on CPU 1")
        for name in provers:
            say(f"  {name:14} {spread(costs[name])} us/check at {spread(rates[name], 0)} checks/s")
        for mode in ("pooled", "fresh"):
            say(f"  hale {mode} / haproxy fresh: {spread([h / p for h, p in zip(costs[f'hale {mode}'], costs['haproxy fresh'])])}")


main()
