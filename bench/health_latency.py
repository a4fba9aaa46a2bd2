"""/health p99 while 100,000 verdicts are listed again and again and 1,000 subscribers get events.

  python3 bench/health_latency.py [rounds] [instances] [subscribers]

The daemon runs on CPU 1. On CPU 0: the one who asks for /health 200 times a second, before all others, so that its own
waiting is not taken for Hale's; one who lists all verdicts, page after page; the subscribers; one who turns an instance's
override on and off ten times a second, each of which every subscriber is told; and the instances, each probed every 60 s.
"""

import http.client
import multiprocessing
import select
import socket
import sys
import time

from common import HALE, Started, api, load, need, say, spread, wait_for
from memory import PER_SERVICE, config

ROUND, RATE, TURNS_A_SECOND = 6, 200, 10
PROBED_WITHIN = 60


def list_on(where, token, stop, pages):
    asking = http.client.HTTPConnection(where["admin"], timeout=30)
    cursor = b""
    while not stop.is_set():
        asking.request("GET", "/api/v1/verdicts?limit=1000" + (f"&cursor={cursor.decode()}" if cursor else ""), headers={"Authorization": f"Bearer {token}"})
        answer = asking.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"listing: {answer.status} {text[:200]}")
        pages.value += 1
        tail = text.rpartition(b'"next":')[2]
        cursor = b"" if tail.startswith(b"null") else tail.split(b'"')[1]


def subscribe_on(where, token, count, stop, ready, received):
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
            data = sockets[fd].recv(1 << 20)
            if not data:
                raise SystemExit("a subscriber was sent away")
            received.value += data.count(b"\ndata:")


def turn_on(where, token, stop, turned):
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        path = f"/api/v1/instances/s0-{1 + turned.value // 2 % PER_SERVICE}/override"
        if turned.value % 2 == 0:
            api(where, token, path, "PUT", {"state": "down", "for": 60, "reason": "bench"})
        else:
            api(where, token, path, "DELETE")
        turned.value += 1
        due += 1 / TURNS_A_SECOND


def main():
    rounds, instances, subscribers = (int(sys.argv[i]) if len(sys.argv) > i else usual for i, usual in ((1, 7), (2, 100_000), (3, 1_000)))
    need(HALE)
    with Started() as started:
        port = started.backend(listen="0.0.0.0:0")[0].split(":")[1]
        _, where, token = started.hale(config(instances, port), cpu=1, wait_seconds=60)
        seen = {}

        def healthy():
            for s in range(instances // PER_SERVICE):
                name = f"s{s}"
                seen[name] = seen.get(name) or api(where, token, f"/api/v1/services/{name}/verdict")["state"] == "healthy"
                if not seen[name]:
                    return False
            return True

        wait_for(healthy, "the first probes", PROBED_WITHIN)
        ask = lambda: load(where["admin"], 1, ROUND, rate=RATE, host=where["admin"], path="/health", first=True)
        quiet = ask()
        stop, ready = multiprocessing.Event(), multiprocessing.Event()
        pages, received, turned = (multiprocessing.Value("q", 0) for _ in range(3))
        others = [multiprocessing.Process(target=subscribe_on, args=(where, token, subscribers, stop, ready, received), daemon=True),
                  multiprocessing.Process(target=list_on, args=(where, token, stop, pages), daemon=True),
                  multiprocessing.Process(target=turn_on, args=(where, token, stop, turned), daemon=True)]
        try:
            for other in others:
                other.start()
            wait_for(ready.is_set, "the subscribers", 20)
            told = []
            for _ in range(rounds):
                before = [pages.value, received.value, turned.value]
                told.append(ask())
                listed, events, turns = (now - was for now, was in zip([pages.value, received.value, turned.value], before))
                if not all(other.is_alive() for other in others) or told[-1]["not_ok"] or told[-1]["errors"]:
                    sys.exit(f"this round was not what it should be: {told[-1]}")
                say(f"  p50 {told[-1]['p50_us']} us, p90 {told[-1]['p90_us']} us, p99 {told[-1]['p99_us']} us, worst {told[-1]['max_us']} us; "
                    f"a second: {listed * 1000 / ROUND:.0f} verdicts listed, {events / ROUND:.0f} events told, {turns / ROUND:.1f} mutations")
        finally:
            stop.set()
            for other in others:
                other.join(5)
                other.kill()
        say(f"/health, {instances} instances, {subscribers} subscribers, {rounds} rounds: p50 {spread([one['p50_us'] for one in told], 0)} us, "
            f"p90 {spread([one['p90_us'] for one in told], 0)} us, p99 {spread([one['p99_us'] for one in told], 0)} us, worst {max(one['max_us'] for one in told)} us; alone p99 {quiet['p99_us']} us")


if __name__ == "__main__":
    main()
