"""How fast deployments of containers lead users over, and whether any of them notices.

  python3 bench/deploys.py reach [rounds]         an image that is here, a backend that starts at once
  python3 bench/deploys.py load [deployments]     one after the other under constant requests, slow and streamed ones among them

`reach` tells the whole of a deployment beside what the engine itself takes to create, start and report (by its own command, for
the same image), and from the engine's event that the container is healthy to the first user's request that it served. `load`
counts every request that fails; nothing is tried again. Each deployment has to wait for the slow requests of the old version.
"""

import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from datetime import datetime

from common import HALE, RELEASE, ROOT, Started, api, need, say, spread, wait_for

os.environ["HALE_BUILD"] = RELEASE
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

import containers  # noqa: E402
import successors  # noqa: E402
from docker_engine import DockerEngine  # noqa: E402

HOST = "web.test"
CONFIG = """listen: {{http: "127.0.0.1:0", admin: "127.0.0.1:0"}}
state: STATE
docker: {{host: "{engine}"}}
drain_timeout: 40s
services:
  web: {{hosts: [web.test], check: {{http: /up}}, deploy: {{image: "web:1", replicas: {replicas}, stop_signal: SIGKILL, stop_timeout: 1s, retain: 0}}}}
"""
SLOW = '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\n/bin/busybox sleep 5\necho slow\n'
STREAM = '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\nfor n in $(/bin/busybox seq 30); do echo part $n; /bin/busybox sleep 1; done\n'
HEALTH = 'HEALTHCHECK --interval=300ms --timeout=2s --retries=20 CMD ["/bin/busybox", "true"]\n'


class Images(containers.EngineCase):
    @classmethod
    def begin(cls, folder):
        cls.folder, cls.engine = folder, DockerEngine(folder).start()
        for n in (1, 2):
            cls.image(f"web:{n}", scripts={"/www/cgi-bin/slow": SLOW, "/www/cgi-bin/stream": STREAM})
            cls.image(f"healthy:{n}", more=HEALTH)
        return cls.engine


class Deployments:
    def __init__(self, started, engine, replicas=1):
        _, self.where, self.token = started.hale(CONFIG.format(engine=engine.socket, replicas=replicas))

    def deploy(self, image):
        """The record of a deployment that was done, and how long that took."""
        began = time.monotonic()
        answer = api(self.where, self.token, "/api/v1/services/web:deploy", "POST", {"deploy": {"image": image}})
        path = f"/api/v1/deployments/{answer['deployment']}"
        record = api(self.where, self.token, path)
        while not record["over"]:
            record = api(self.where, self.token, f"{path}?wait=20s&revision={record['revision']}", timeout=40)
        if record["phase"] != "done":
            raise SystemExit(f"a deployment ended with {record['phase']}: {record['fault']}")
        return record, time.monotonic() - began

    def ask(self, path="/", timeout=60):
        host, port = self.where["http"].rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
        try:
            connection.request("GET", path, headers={"Host": HOST})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


class Until:
    """Asks without a pause until a version answers, and remembers when that was."""

    def __init__(self, deployments, version):
        self.deployments, self.version, self.at, self.pause = deployments, version, None, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        host, port = self.deployments.where["http"].rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        while self.at is None:
            connection.request("GET", "/", headers={"Host": HOST})
            if connection.getresponse().read().decode().strip() == self.version:
                self.at = time.time()
            self.pause.wait(0.0005)
        connection.close()


def hold(fine, what):
    if not fine:
        raise SystemExit(f"not held: {what}")


def healthy_at(engine, name, since):
    """When the engine said that the container is healthy, by its own clock, which is this machine's."""
    events = engine.docker("events", "--since", f"{since:.3f}", "--until", f"{time.time():.3f}", "--filter", f"container={name}", "--format", "{{json .}}").stdout
    times = [event["timeNano"] / 1e9 for event in map(json.loads, events.splitlines()) if event["Action"] == "health_status: healthy"]
    return times[0]


def engines_own(engine, image):
    """Create, start and inspect, by the engine's own API; then it is taken away again."""
    curl = ["curl", "-sf", "--unix-socket", engine.socket.removeprefix("unix://")]
    name = "bench-own"
    began = time.monotonic()
    for argv in (["-X", "POST", "-H", "Content-Type: application/json", "-d", json.dumps({"Image": image, "HostConfig": {"NetworkMode": "web-network"}}), f"http://d/containers/create?name={name}"],
                 ["-X", "POST", f"http://d/containers/{name}/start"], [f"http://d/containers/{name}/json"]):
        subprocess.run([*curl, *argv], check=True, capture_output=True)
    took = time.monotonic() - began
    engine.docker("rm", "-f", name)
    return took


def phases(record):
    entered = [(one["phase"], datetime.fromisoformat(one["entered"].replace("Z", "+00:00"))) for one in record["phases"]]
    return {name: (after - at).total_seconds() for (name, at), (_, after) in zip(entered, entered[1:])}


def reach(rounds):
    with Started() as started:
        os.makedirs(started.path("engine-folder"))
        engine = Images.begin(started.path("engine-folder"))
        try:
            deployments = Deployments(started, engine)
            deployments.deploy("web:1")
            whole, users, own, each = [], [], [], {}
            for n in range(rounds):
                image = f"web:{2 - n % 2}"
                until = Until(deployments, image)
                began = time.time()
                record, took = deployments.deploy(image)
                wait_for(lambda: until.at, "the first request", 10)
                whole.append(took)
                users.append(until.at - began)
                own.append(engines_own(engine, image))
                for phase, seconds in phases(record).items():
                    each.setdefault(phase, []).append(seconds)
            say(f"a deployment, to its end:            {spread(whole)} s")
            say(f"a deployment, to the first user:     {spread(users)} s")
            say(f"the engine's own, create and start:  {spread(own)} s")
            for phase, seconds in each.items():
                say(f"  {phase:12} {spread(seconds)} s")
            led = []
            for n in range(max(rounds, 30)):
                image, since = f"healthy:{1 + n % 2}", time.time()
                until = Until(deployments, image)
                record, _ = deployments.deploy(image)
                wait_for(lambda: until.at, "the first request", 10)
                led.append((until.at - healthy_at(engine, record["instances"][0]["instance"], since)) * 1000)
            led.sort()
            p99 = led[min(len(led) - 1, int(len(led) * 0.99))]
            say(f"healthy to first user's request, of {len(led)}: median {statistics.median(led):.1f} ms, p99 {p99:.1f} ms, range {led[0]:.1f} to {led[-1]:.1f} ms")
            hold(p99 <= 50, "users reach a healthy container within 50 ms")
            hold(statistics.median(users) <= 1.5, "an image that is here serves within 1.5 s")
        finally:
            engine.clean_up()


class Slow(threading.Thread):
    """Asks for one thing again and again, and counts."""

    def __init__(self, deployments, path, good, pause=0.0):
        super().__init__()
        self.deployments, self.path, self.good, self.pause = deployments, path, good, pause
        self.over, self.answered, self.failed = threading.Event(), 0, []
        self.start()

    def run(self):
        while not self.over.wait(self.pause):
            try:
                status, text = self.deployments.ask(self.path)
                if status == 200 and self.good(text):
                    self.answered += 1
                else:
                    self.failed.append((self.path, status, text[-80:]))
            except (OSError, http.client.HTTPException) as error:
                self.failed.append((self.path, repr(error)))


def load(count, rate=250, least=50_000):
    with Started() as started:
        os.makedirs(started.path("engine-folder"))
        engine = Images.begin(started.path("engine-folder"))
        try:
            deployments = Deployments(started, engine, replicas=2)  # A request that one can't take has another to go to.
            deployments.deploy("web:1")
            began, took = time.monotonic(), []
            slow = [Slow(deployments, "/cgi-bin/slow", lambda text: text == "slow\n") for _ in range(3)]
            streams = [Slow(deployments, "/cgi-bin/stream", lambda text: text.endswith("part 30\n"), pause=20)]
            with successors.Load(deployments.where["http"], HOST, rate=rate) as steady:
                for n in range(count):
                    took.append(deployments.deploy(f"web:{2 - n % 2}")[1])
                if count >= 50:
                    wait_for(lambda: steady.answered >= least, f"{least} requests", 600)
                for one in (*slow, *streams):
                    one.over.set()
                for one in (*slow, *streams):
                    one.join()
            failed = [*steady.failed, *(wrong for one in (*slow, *streams) for wrong in one.failed)]
            say(f"{count} deployments in {time.monotonic() - began:.0f} s, each {spread(took)} s: {steady.answered} requests, {sum(one.answered for one in slow)} of 5 s, "
                f"{sum(one.answered for one in streams)} of 30 s; {len(failed)} failed")
            for wrong in failed[:10]:
                say(f"  {wrong}")
            hold(not failed, "no request fails")
        finally:
            engine.clean_up()


if __name__ == "__main__":
    need(HALE, "dockerd", "curl")
    what = sys.argv[1] if len(sys.argv) > 1 else "reach"
    if what == "load":
        load(int(sys.argv[2]) if len(sys.argv) > 2 else 50)
    else:
        reach(int(sys.argv[2]) if len(sys.argv) > 2 else 9)
