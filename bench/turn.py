"""Deciding byte → first request routed differently, at 1,000 requests/s: see turn.cc.

  python3 bench/turn.py [rounds] [turns a round]

The daemon runs on CPU 1; client, turning backends and steady ones share CPU 0. An instance that turns that often is
flapping, so each takes eight passes (at the shortest interval there is) to be trusted again: hence many pairs. And so
that this is no suspicious fifth of all checks, there is a steady fleet beside them.
"""

import json
import os
import subprocess
import sys

from common import HALE, RELEASE, Started, api, need, say, spread, wait_for

TURN = os.path.join(RELEASE, "bench", "bench_turn")
PAIRS, STEADY = 40, 1_000


def main():
    need(HALE, TURN)
    rounds, turns = (int(sys.argv[i]) if len(sys.argv) > i else usual for i, usual in ((1, 7), (2, 300)))
    with Started() as started:
        port = started.backend(listen="0.0.0.0:0")[0].split(":")[1]
        tool = started.run([TURN, "--pairs", str(PAIRS), "--rounds", str(rounds), "--turns", str(turns)], cpu=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        pairs = []
        for line in tool.stdout:
            if line.strip() == "ready":
                break
            pairs.append(line.split())
        services = "".join(f"""
  s{i}:
    hosts: [s{i}.test]
    balance: {{hash: "header:X-Key"}}
    instances: [{{name: a{i}, address: "{a}"}}, {{name: b{i}, address: "{b}", check: {{interval: 5s, timeout: 2s, fall: 3}}}}]
    check: {{http: /up, interval: 100ms, confirm_interval: 100ms, timeout: 500ms, rise: 1, fall: 1}}""" for i, (a, b) in enumerate(pairs))
        steady = "\n".join(f'      - "127.1.{i // 250}.{i % 250 + 1}:{port}"' for i in range(STEADY))
        _, where, token = started.hale(f'listen: {{http: "127.0.0.1:0", admin: "127.0.0.1:0"}}\nstate: STATE\nworkers: 1\ncheckers: 1\nservices:{services}\n'
                                       f"  steady:\n    check: {{http: /up, interval: 5s, rise: 1}}\n    instances:\n{steady}\n", cpu=1)
        wait_for(lambda: all(api(where, token, f"/api/v1/services/{name}/verdict")["instances"]["healthy"] == count
                             for name, count in [("steady", STEADY), *((f"s{i}", 2) for i in range(PAIRS))]), "every instance", 30)
        tool.stdin.write(where["http"] + "\n")
        tool.stdin.flush()
        told = [json.loads(line) for line in tool.stdout]
        if tool.wait(10) != 0:
            sys.exit("bench_turn did not come to its end")
        for one in told:
            say(f"  {one['turns']} turns in {one['seconds']:.1f} s beside {one['background'] / one['seconds']:.0f} requests/s: "
                f"p50 {one['p50_us']} us, p90 {one['p90_us']} us, p99 {one['p99_us']} us, worst {one['worst_us']} us")
        say(f"deciding byte → routed differently, {len(told)} rounds: p50 {spread([one['p50_us'] for one in told], 0)} us, "
            f"p90 {spread([one['p90_us'] for one in told], 0)} us, p99 {spread([one['p99_us'] for one in told], 0)} us; errors {told[-1]['errors']}")


main()
