"""/health p99 while 100,000 verdicts are listed again and again and 1,000 subscribers get events.

  python3 bench/health_latency.py [instances] [subscribers] [seconds]

The daemon runs on CPU 1; the load, the lister and the subscribers share CPU 0.
"""

import json
import multiprocessing
import os
import select
import socket
import sys
import time
import urllib.request

from common import HALE, Started, api, load, need, say, wait_for
from memory import config


def list_on(where, token, stop, pages):
    os.sched_setaffinity(0, {0})
    while not stop.is_set():
        cursor = ""
        while cursor is not None and not stop.is_set():
            answer = api(where, token, f"/api/v1/verdicts?limit=1000{cursor}")
            pages.value += 1
            cursor = f"&cursor={answer['next']}" if answer.get("next") else None


def subscribe_on(where, token, count, stop, ready, received):
    os.sched_setaffinity(0, {0})
    host, port = where["admin"].split(":")
    poll = select.epoll()
    sockets = {}
    for _ in range(count):
        one = socket.create_connection((host, int(port)))
        one.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: {where['admin']}\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n".encode())
        one.setblocking(False)
        sockets[one.fileno()] = one
        poll.register(one, select.EPOLLIN)
    ready.set()
    while not stop.is_set():
        for fd, _ in poll.poll(0.1):
            try:
                data = sockets[fd].recv(65536)
            except BlockingIOError:
                continue
            if not data:
                poll.unregister(fd)
                continue
            received.value += data.count(b"\ndata:")


def turn_on(where, token, stop, turned):
    os.sched_setaffinity(0, {0})
    on = True
    while not stop.is_set():
        path = "/api/v1/services/s0/override"
        if on:
            api(where, token, path, "PUT", {"state": "down", "for": 60, "reason": "bench"})
        else:
            api(where, token, path, "DELETE")
        on = not on
        turned.value += 1


def main():
    instances = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    subscribers = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 15
    need(HALE)
    with Started() as started:
        _, where, token = started.hale(config(instances), cpu=1, wait_seconds=120)
        time_left = time.monotonic() + 90

        def probed():
            text = urllib.request.urlopen(f"http://{where['admin']}/metrics", timeout=30).read().decode()
            return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("hale_probes_total{")) >= instances or time.monotonic() > time_left

        wait_for(probed, "the first probes", 120)
        quiet = load(where["admin"], 1, 5, rate=200, host=where["admin"], path="/health")
        stop, ready = multiprocessing.Event(), multiprocessing.Event()
        pages, received, turned = (multiprocessing.Value("q", 0) for _ in range(3))
        helpers = [multiprocessing.Process(target=subscribe_on, args=(where, token, subscribers, stop, ready, received)),
                   multiprocessing.Process(target=list_on, args=(where, token, stop, pages)),
                   multiprocessing.Process(target=turn_on, args=(where, token, stop, turned))]
        for helper in helpers:
            helper.start()
        wait_for(ready.is_set, "the subscribers", 60)
        busy = load(where["admin"], 1, seconds, rate=200, host=where["admin"], path="/health")
        stop.set()
        for helper in helpers:
            helper.join(30)
        say(f"/health p99, {instances} instances: quiet {quiet['p99_us']} us; while listed ({pages.value} pages of 1,000) with {subscribers} subscribers "
            f"({received.value} events, {turned.value} mutations): p50 {busy['p50_us']} us, p99 {busy['p99_us']} us, worst {busy['max_us']} us; not 200: {busy['not_ok']}")


if __name__ == "__main__":
    main()
