"""CPU per proxied keep-alive request beside Debian's haproxy and nginx, in one run.

  python3 bench/proxy_cpu.py [rounds] [seconds]

The proxy under test is pinned to CPU 1, load and backend to CPU 0; every round measures each proxy once, in
turn, and ratios are taken within a round. All three log the same fields to /dev/null.
"""

import statistics
import subprocess
import sys

from common import HALE, Started, children, cpu_seconds, free_port, load, need, say, spread, wait_for

FIELDS = "time client method host path status bytes_in bytes_out duration upstream request_id"

HAPROXY = """
global
  nbthread 1
  maxconn 4000
  log stdout format raw local0
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 1s
  http-reuse always
  option forwardfor
  unique-id-format %{{+X}}o%ci:%cp_%fi:%fp_%Ts_%rt:%pid
  unique-id-header X-Request-ID
  log global
  log-format '{{"time":"%t","client":"%ci","method":"%HM","host":"%[capture.req.hdr(0)]","path":"%HU","status":%ST,"bytes_in":%U,"bytes_out":%B,"duration":%Ta,"upstream":"%s","request_id":"%ID"}}'
frontend in
  bind 127.0.0.1:{port}
  capture request header Host len 64
  acl known hdr(host) -i bench.test
  use_backend out if known
backend out
  balance leastconn
  {servers}
"""

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.err;
events {{ worker_connections 4096; }}
http {{
  log_format fields escape=json '{{"time":"$time_iso8601","client":"$remote_addr","method":"$request_method","host":"$host","path":"$request_uri","status":$status,"bytes_in":$request_length,"bytes_out":$bytes_sent,"duration":$request_time,"upstream":"$upstream_addr","request_id":"$request_id"}}';
  access_log /dev/null fields buffer=32k flush=1s;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000000;
  keepalive_timeout 75s;
  upstream out {{ least_conn; {servers} keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    server_name bench.test;
    location / {{
      proxy_pass http://out;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Request-ID $request_id;
    }}
  }}
}}
"""

HALE_CONFIG = """
listen: {{http: "127.0.0.1:0", admin: "127.0.0.1:0"}}
state: STATE
workers: 1
checkers: 1
access_log: /dev/null
services:
  bench:
    hosts: [bench.test]
    balance: least_requests
    instances: [{instances}]
    check: {{http: /, interval: 5s}}
"""


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    need(HALE, "haproxy", "nginx")
    with Started() as started:
        backends = started.backend("--ports", 4)
        haproxy_port, nginx_port = free_port(), free_port()
        haproxy = started.run(["haproxy", "-db", "-f", started.write("haproxy.cfg", HAPROXY.format(
            port=haproxy_port, servers="\n  ".join(f"server s{i} {a}" for i, a in enumerate(backends))))], cpu=1,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        nginx = started.run(["nginx", "-c", started.write("nginx.conf", NGINX.format(
            folder=started.folder, port=nginx_port, servers=" ".join(f"server {a};" for a in backends)))], cpu=1, stderr=subprocess.DEVNULL)
        hale, where, _ = started.hale(HALE_CONFIG.format(instances=", ".join(f'"{a}"' for a in backends)), cpu=1)
        proxies = {"hale": (where["http"], lambda: cpu_seconds(hale.pid)), "haproxy": (f"127.0.0.1:{haproxy_port}", lambda: cpu_seconds(haproxy.pid)),
                   "nginx": (f"127.0.0.1:{nginx_port}", lambda: sum(cpu_seconds(p) for p in [nginx.pid, *children(nginx.pid)]))}

        def serves(address):
            import contextlib
            with contextlib.suppress(subprocess.CalledProcessError):
                answer = load(address, 1, 0.1)
                return answer["requests"] > 0 and answer["not_ok"] == 0

        for name, (address, _) in proxies.items():
            wait_for(lambda: serves(address), f"{name} to serve")
        say(f"CPU per proxied request, keep-alive, 14-byte body, one worker; {rounds} rounds of {seconds} s; proxy on CPU 1")
        for connections in (64, 512):
            microseconds = {name: [] for name in proxies}
            rates = {name: [] for name in proxies}
            for _ in range(rounds):
                for name, (address, cpu) in proxies.items():
                    before = cpu()
                    answer = load(address, connections, seconds)
                    used = cpu() - before
                    if answer["errors"] or answer["not_ok"]:
                        sys.exit(f"{name}: {answer}")
                    microseconds[name].append(used / answer["requests"] * 1e6)
                    rates[name].append(answer["requests"] / answer["seconds"])
            for name in proxies:
                say(f"  {connections} connections  {name:8} {spread(microseconds[name])} us/request, {statistics.median(rates[name]):.0f} requests/s")
            for peer in ("haproxy", "nginx"):
                say(f"  {connections} connections  hale/{peer}: {spread([h / p for h, p in zip(microseconds['hale'], microseconds[peer])])}")


main()
