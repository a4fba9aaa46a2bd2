"""Deciding byte → first request routed differently, at 1,000 requests/s: see turn.cc.

  python3 bench/turn.py [turns]
"""

import json
import os
import subprocess
import sys

from common import HALE, RELEASE, Started, api, need, say, wait_for

TURN = os.path.join(RELEASE, "bench", "bench_turn")
PAIRS = 10


def main():
    need(HALE, TURN)
    turns = sys.argv[1] if len(sys.argv) > 1 else "2000"
    with Started() as started:
        tool = started.run(["taskset", "-c", "0", TURN, "--pairs", str(PAIRS), "--turns", turns], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        pairs = []
        for line in tool.stdout:
            if line.strip() == "ready":
                break
            pairs.append(line.split())
        services = "".join(f"""
  s{i}:
    hosts: [s{i}.test]
    instances: [{{name: a{i}, address: "{a}"}}, {{name: b{i}, address: "{b}"}}]
    check: {{http: /up, interval: 100ms, confirm_interval: 100ms, rise: 1, fall: 1}}""" for i, (a, b) in enumerate(pairs))
        _, where, token = started.hale(f'listen: {{http: "127.0.0.1:0", admin: "127.0.0.1:0"}}\nstate: STATE\nworkers: 1\ncheckers: 1\nservices:{services}\n', cpu=1)
        wait_for(lambda: all(api(where, token, f"/api/v1/instances/b{i}/verdict")["eligible"] for i in range(PAIRS)), "the steady instances", 60)
        answer = json.loads(tool.communicate(where["http"] + "\n", timeout=330)[0])
        say(f"deciding byte → routed differently: p99 {answer['p99_us']} us ({answer})")


main()
