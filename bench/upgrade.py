"""An upgrade with 100,000 known instances, under steady requests.

  python3 bench/upgrade.py [rounds] [instances]

Requests go to one service over kept and over fresh connections, 200 a second in all; every one that fails is counted, and
nothing is tried again. Told are the longest time that any of them took, beside the longest in as long a time without an
upgrade, and the longest time between two checks that an instance with an interval of 100 ms saw around the upgrade: the
time without checks. `took` is what the daemon says that the upgrade took.
"""

import http.client
import os
import socket
import sys
import threading
import time
import urllib.request

from common import HALE, RELEASE, ROOT, Started, need, say, spread, wait_for
from memory import config

os.environ["HALE_BUILD"] = RELEASE
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

import successors  # noqa: E402

HOST, THREADS, RATE = "web.test", 4, 200


class Seen:
    """A server whose only business is to remember when it was asked."""

    def __init__(self):
        self.times = []
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(64)
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            one, _ = self.socket.accept()
            with one:
                one.settimeout(2)
                one.recv(4096)
                self.times.append(time.monotonic())
                one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def longest(self, begin, end):
        times = [begin, *(t for t in self.times if begin <= t <= end)]
        return max(b - a for a, b in zip(times, times[1:]))


class Clients:
    """Steady requests that remember how long each took and when."""

    def __init__(self, address):
        self.address, self.over, self.lock = address, threading.Event(), threading.Lock()
        self.took, self.failed = [], []
        self.threads = [threading.Thread(target=self.run, args=(kept, i)) for kept in (True, False) for i in range(THREADS)]

    def __enter__(self):
        for one in self.threads:
            one.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for one in self.threads:
            one.join()

    def run(self, kept, part):
        host, port = self.address.rsplit(":", 1)
        interval = 2 * THREADS / RATE
        due, connection = time.monotonic() + part * interval / THREADS, None
        while not self.over.wait(max(0.0, due - time.monotonic())):
            due = max(due + interval, time.monotonic() - 1)
            began, wrong = time.monotonic(), None
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(host, int(port), timeout=30)
                connection.request("GET", "/up", headers={"Host": HOST})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    wrong = f"{answer.status} {answer.getheader('Hale-Reason')}"
                if not kept or answer.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                wrong, connection = repr(error), None
            with self.lock:
                self.took.append((began, time.monotonic() - began))
                if wrong:
                    self.failed.append(wrong)

    def longest(self, begin, end):
        with self.lock:
            return max(took for at, took in self.took if begin - took <= at <= end)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    need(HALE)
    with Started() as started, successors.Dynasty() as site:
        port = started.backend(listen="0.0.0.0:0")[0].split(":")[1]
        web = started.backend()[0]
        seen = Seen()
        text = config(count, port).replace('listen: {admin: "127.0.0.1:0"}', f'listen: {{admin: "127.0.0.1:0", http: "127.0.0.1:0", socket: "{site.folder}/hale.sock"}}')
        text = text.replace("state: STATE", f"state: {site.state}").replace("workers: 1\ncheckers: 1", "workers: 2\ncheckers: 2")
        text += f"  web: {{hosts: [{HOST}], instances: [\"{web}\"], check: {{http: /up, interval: 1s}}}}\n"
        text += f"  seen: {{instances: [\"{seen.address}\"], check: {{http: /up, interval: 100ms, connection: fresh}}}}\n"
        with open(site.config_path, "w") as out:
            out.write(text)
        site.start()
        site.wait_state("web-1", "healthy", 60)

        def probes():
            text = urllib.request.urlopen(f"http://{site.where['admin']}/metrics", timeout=60).read().decode()
            return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("hale_probes_total{"))

        wait_for(lambda: probes() >= count, "every instance to be probed once", 300)
        calm, longest, without, took = [], [], [], []
        with Clients(site.where["http"]) as clients:
            for _ in range(rounds):
                began = time.monotonic()
                wait_for(lambda: time.monotonic() > began + 10, "ten calm seconds", 20)
                calm.append(clients.longest(began, time.monotonic()) * 1000)
                began = time.monotonic()
                status, answer = site.ask_upgrade()
                assert status == 200, answer
                took.append(time.monotonic() - began)
                left = site.succeed(answer["pid"])
                wait_for(lambda: time.monotonic() > began + 10 and seen.times[-1] > began + took[-1] + 0.5, "checks to go on", 60)
                assert left.wait(60) == 0
                longest.append(clients.longest(began, time.monotonic()) * 1000)
                without.append(seen.longest(began - 1, time.monotonic()))
        healthy = sum(item["state"] == "healthy" for item in site.verdicts())
        say(f"upgrade with {count} known instances: {len(clients.failed)} of {len(clients.took)} requests failed {clients.failed[:3]}; it took {spread(took)} s; "
            f"longest request {spread(longest, 0)} ms (without an upgrade {spread(calm, 0)} ms); without checks for {spread(without)} s; {healthy} healthy afterwards")
    return 0


if __name__ == "__main__":
    sys.exit(main())
