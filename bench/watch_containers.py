"""What following containers costs: the daemon's CPU while 200 of them do nothing, beside as long without an engine.

  python3 bench/watch_containers.py [containers] [seconds]

As root: a Docker Engine of its own is started. Containers sleep, without a network, and are instances that nobody asks
(hale.check.none): so all that is counted is the events' connections, the pings and looking after the instances.
"""

import os
import shutil
import sys
import time

from common import HALE, ROOT, Started, api, cpu_seconds, need, say, wait_for

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

from docker_engine import DockerEngine  # noqa: E402

BUDGET = 0.005  # Of a core.
LABELS = ("--label", "hale.service=sleepers", "--label", "hale.port=1", "--label", "hale.check.none=it sleeps")


def image(engine, folder):
    os.makedirs(os.path.join(folder, "root/bin"))
    shutil.copy("/bin/busybox", os.path.join(folder, "root/bin/busybox"))
    with open(os.path.join(folder, "Dockerfile"), "w") as out:
        out.write('FROM scratch\nCOPY root/ /\nCMD ["/bin/busybox", "sleep", "100000"]\n')
    engine.docker("build", "-q", "-t", "sleeper", folder)


CONFIG = 'listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0", socket: "STATE.sock"}\nstate: STATE\nworkers: 1\ncheckers: 1\n'


def share(process, seconds):
    began, spent = time.monotonic(), cpu_seconds(process.pid)
    wait_for(lambda: time.monotonic() - began >= seconds, "the time to pass", seconds + 5)
    return (cpu_seconds(process.pid) - spent) / (time.monotonic() - began)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    need(HALE)
    with Started() as started:
        engine = DockerEngine(os.path.join(started.folder, "engine"))
        os.makedirs(engine.folder)
        engine.start()
        try:
            image(engine, os.path.join(started.folder, "image"))
            # In the host's network they have an address and need none of their own.
            for i in range(count):
                engine.docker("run", "-d", "--name", f"sleeper-{i}", "--network", "host", *LABELS, "sleeper")
            alone, _, _ = started.hale(CONFIG + "services: {}\n", name="alone")
            following, where, token = started.hale(CONFIG + f'docker: {{host: "{engine.socket}", discover: true}}\nservices: {{}}\n', name="following")
            wait_for(lambda: len(api(where, token, "/api/v1/verdicts?limit=1000")["items"]) == count, f"{count} instances", 60)
            share(following, 5)  # What a start takes is over.
            without, spent = share(alone, seconds), share(following, seconds)
        finally:
            engine.clean_up()
    say(f"{count} containers followed for {seconds} s: {100 * spent:.2f} % of a core, without an engine {100 * without:.2f} %; the budget is {100 * BUDGET:.1f} %")
    return 0 if spent - without <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
