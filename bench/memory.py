"""User memory per instance: the slope from 10,000 to 100,000 instances without open sockets.

  python3 bench/memory.py

Every instance is healthy by fresh connections (one listener answers for all of 127.0.0.0/8), so records, judges and last
probes are all there, and no socket is kept. Read half a minute after the start: by then the daemon gave back what a start
takes and needs no more.
"""

import sys
import time
import urllib.request

from common import HALE, Started, anonymous_kib, api, need, say, wait_for

PER_SERVICE = 100
SETTLED = 30  # Seconds.


def config(count, port=9):
    services = []
    for s in range(count // PER_SERVICE):
        lines = "\n".join(f'      - "127.{1 + s // 250}.{s % 250}.{i + 1}:{port}"' for i in range(PER_SERVICE))
        services.append(f"  s{s}:\n    check: {{http: /up, interval: 60s, timeout: 1s, rise: 1, fall: 1, connection: fresh}}\n    instances:\n{lines}\n")
    return 'listen: {admin: "127.0.0.1:0"}\nstate: STATE\nworkers: 1\ncheckers: 1\nservices:\n' + "".join(services)


def main():
    need(HALE)
    used = {}
    for count in (10_000, 100_000):
        with Started() as started:
            port = started.backend(listen="0.0.0.0:0")[0].split(":")[1]
            process, where, token = started.hale(config(count, port), wait_seconds=120)
            began = time.monotonic()

            def settled():
                services = api(where, token, "/health?detailed=true")
                request = urllib.request.Request(f"http://{where['admin']}/metrics", headers={"Authorization": f"Bearer {token}"})
                text = urllib.request.urlopen(request, timeout=30).read().decode()
                done = sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("hale_probes_total{"))
                return services and done >= count and time.monotonic() > began + SETTLED

            wait_for(settled, "every instance to be probed", 240)
            used[count] = anonymous_kib(process.pid)
            say(f"  {count} instances: {used[count]} KiB of user memory")
    slope = (used[100_000] - used[10_000]) * 1024 / 90_000
    say(f"user memory per instance: {slope:.0f} bytes (slope from 10,000 to 100,000)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
