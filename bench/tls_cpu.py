"""CPU of TLS 1.3 beside Debian's nginx and haproxy, in one run, the same ECDSA certificate for all.

  python3 bench/tls_cpu.py [rounds] [seconds] [new,resumed,keep,idle,storm]

new: a full handshake and one request, per connection; resumed: the same by a ticket; keep: a request on a connection that
stands; idle: user memory of 10,000 connections that stand; storm: p99 of requests at a steady rate on connections that
stand, without and with 500 new handshakes a second. The proxy under test is pinned to CPU 1, the load to CPU 0. The backend
is beside the load; but for keep, where it shares the proxy's CPU without ever interrupting it: a client of TLS costs as much
as its proxy, and a proxy that is always waiting would be measured by its wake-ups. Only the proxy's own time is counted.
"""

import json
import os
import statistics
import subprocess
import sys

from common import HALE, RELEASE, ROOT, Started, anonymous_kib, children, cpu_seconds, free_port, need, say, spread, wait_for

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from authority import Authority  # noqa: E402

TLS_LOAD = os.path.join(RELEASE, "bench", "bench_tls_load")
IDLE = 10_000

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.err;

events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000000;
  keepalive_timeout 75s;
  upstream out {{ server {backend}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} ssl backlog=4096;
    server_name bench.test;
    ssl_certificate {chain};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_tickets on;
    location / {{
      proxy_pass http://out;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-ID $request_id;
    }}
  }}
}}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 4000
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 1s
  http-reuse always
  option forwardfor
  unique-id-format %{{+X}}o%ci:%cp_%fi:%fp_%Ts_%rt:%pid
  unique-id-header X-Request-ID
frontend in
  bind 127.0.0.1:{port} ssl crt {both}
  acl known hdr(host) -i bench.test
  use_backend out if known
backend out
  server s {backend}
"""

HALE_CONFIG = """
listen: {{https: "127.0.0.1:0", admin: "127.0.0.1:0"}}
state: STATE
workers: 1
checkers: 1
tls: {{certificates: [{{chain: {chain}, key: {key}}}]}}
services:
  bench:
    hosts: [bench.test]
    tls: true
    instances: ["{backend}"]
    check: {{http: /, interval: 5s}}
"""


def tls_load(to, mode, connections, seconds, rate=0, first=False):
    """`first`: before everything else on its CPU, where that is allowed: what it measures is not its own waiting."""
    before_others = ["chrt", "--fifo", "1"] if first and subprocess.run(["chrt", "--fifo", "1", "true"], capture_output=True).returncode == 0 else []
    argv = [*before_others, "taskset", "-c", "0", TLS_LOAD, "--to", to, "--mode", mode, "--connections", str(connections), "--seconds", str(seconds), "--rate", str(rate)]
    return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout)


def beside_load(pid):
    """Nor is it to wait for the load's own handshakes."""
    subprocess.run(["taskset", "-a", "-p", "-c", "0", str(pid)], capture_output=True, check=True)
    subprocess.run(["chrt", "--fifo", "--pid", "1", str(pid)], capture_output=True)


def beside_proxy(pid):
    subprocess.run(["chrt", "--batch", "--pid", "0", str(pid)], capture_output=True, check=True)
    subprocess.run(["taskset", "-a", "-p", "-c", "1", str(pid)], capture_output=True, check=True)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    need(HALE, TLS_LOAD, "haproxy", "nginx")
    with Started() as started:
        chain, key = Authority(started.folder).issue("bench", ["bench.test"])
        with open(chain) as one, open(key) as other:
            both = started.write("both.pem", one.read() + other.read())
        (backend,) = started.backend("--ports", 1)
        backend_pid = started.processes[-1].pid
        haproxy_port, nginx_port = free_port(), free_port()
        haproxy = started.run(["haproxy", "-db", "-f", started.write("haproxy.cfg", HAPROXY.format(port=haproxy_port, both=both, backend=backend))], cpu=1,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        nginx = started.run(["nginx", "-c", started.write("nginx.conf", NGINX.format(folder=started.folder, port=nginx_port, chain=chain, key=key, backend=backend))],
                            cpu=1, stderr=subprocess.DEVNULL)
        hale, where, _ = started.hale(HALE_CONFIG.format(chain=chain, key=key, backend=backend), cpu=1)
        proxies = {"hale": (where["https"], lambda: cpu_seconds(hale.pid)), "haproxy": (f"127.0.0.1:{haproxy_port}", lambda: cpu_seconds(haproxy.pid)),
                   "nginx": (f"127.0.0.1:{nginx_port}", lambda: sum(cpu_seconds(p) for p in [nginx.pid, *children(nginx.pid)]))}
        for name, (address, _) in proxies.items():
            wait_for(lambda: (answer := tls_load(address, "new", 1, 0.1))["requests"] > 0 and answer["errors"] == 0, f"{name} to serve")
        say(f"CPU over TLS 1.3, ECDSA P-256, 14-byte body, one worker; {rounds} rounds of {seconds} s; proxy on CPU 1")
        only = sys.argv[3].split(",") if len(sys.argv) > 3 else ("new", "resumed", "keep", "idle", "storm")
        for mode, connections, peer in (("new", 8, "nginx"), ("resumed", 8, "nginx"), ("keep", 64, "haproxy")):
            if mode not in only:
                continue
            (beside_proxy if mode == "keep" else beside_load)(backend_pid)
            microseconds = {name: [] for name in proxies}
            for _ in range(rounds):
                for name, (address, cpu) in proxies.items():
                    before = cpu()
                    answer = tls_load(address, mode, connections, seconds)
                    used = cpu() - before
                    if answer["errors"] or (mode == "resumed" and answer["resumed"] < answer["requests"] * 0.9):
                        sys.exit(f"{name}, {mode}: {answer}")
                    microseconds[name].append(used / answer["requests"] * 1e6)
            for name in proxies:
                say(f"  {mode:8} {name:8} {spread(microseconds[name], 1)} us")
            say(f"  {mode:8} hale/{peer}: {spread([h / p for h, p in zip(microseconds['hale'], microseconds[peer])])}")
        beside_load(backend_pid)
        address = where["https"]
        if "idle" in only:
            idle(started, hale, address)
        if "storm" in only:
            storm(address, rounds, seconds)


def idle(started, hale, address):
    before = anonymous_kib(hale.pid)
    holder = started.run(["taskset", "-c", "0", TLS_LOAD, "--to", address, "--mode", "idle", "--connections", str(IDLE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if holder.stdout.readline().strip() != "ready":
        sys.exit("the idle connections failed")
    say(f"  idle     {IDLE} connections: {(anonymous_kib(hale.pid) - before) / IDLE:.1f} KiB each")
    holder.stdin.close()
    holder.wait(30)


def storm(address, rounds, seconds):
    quiet, stormy = [], []
    for _ in range(rounds):
        quiet.append(tls_load(address, "keep", 4, seconds, first=True)["p99_us"])
        others = subprocess.Popen(["taskset", "-c", "0", TLS_LOAD, "--to", address, "--mode", "new", "--connections", "8", "--seconds", str(seconds + 0.5), "--rate", "500"],
                                 stdout=subprocess.PIPE, text=True)
        stormy.append(tls_load(address, "keep", 4, seconds, first=True)["p99_us"])
        told = json.loads(others.communicate(timeout=seconds + 60)[0])
        if told["errors"] or told["requests"] < 400 * seconds:
            sys.exit(f"the storm was none: {told}")
    say(f"  storm    p99 of standing connections {statistics.median(quiet):.0f} us, under 500 handshakes/s {statistics.median(stormy):.0f} us: "
        f"{spread([s / q for s, q in zip(stormy, quiet)])} times")


main()
