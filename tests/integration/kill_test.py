"""Goal: acknowledged means durable, whatever moment the daemon is killed at (V11, V2).
Method: mutations one after another while the daemon is killed with -9 at seeded moments, HALE_KILLS (200) times; after
each start everything acknowledged is there, and revisions have not gone back."""

import contextlib
import http.client
import json
import os
import random
import signal
import threading
import unittest

from harness import Case, Site

KILLS = int(os.environ.get("HALE_KILLS", "200"))


class Kill(Case):
    def test_v11_everything_acknowledged_survives_kill_minus_nine(self):
        seed = int(os.environ.get("HALE_SEED", random.SystemRandom().randrange(1 << 31)))
        print(f"HALE_SEED={seed}")
        chance = random.Random(seed)
        with Site() as site:
            site.start('services:\n  web:\n    instances: ["127.0.0.1:9"]\n    check: {http: /, interval: 1h}\n')
            present, revision, number = {}, 0, 0
            acknowledged = 0
            for _ in range(KILLS):
                pid = site.daemon.pid
                # A timer of its own, so that the moment falls anywhere in the mutations below.
                killer = threading.Timer(chance.random() * 0.12, lambda p=pid: os.kill(p, signal.SIGKILL))
                killer.start()
                uncertain = None
                with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                    while True:
                        number += 1
                        name = f"s{number % 7}"
                        uncertain = name
                        if name in present and chance.random() < 0.5:
                            status, answer = site.api(f"/api/v1/services/{name}", "DELETE", ok=False, timeout=5)
                            if status not in (200, 204):
                                break
                            present.pop(name)
                        else:
                            address = f"127.0.0.1:{10000 + number % 50000}"
                            status, answer = site.api(f"/api/v1/services/{name}", "PUT", {"instances": [address], "check": {"http": "/", "interval": "1h"}},
                                                      ok=False, timeout=5)
                            if status not in (200, 201):
                                break
                            present[name] = address
                        uncertain = None
                        acknowledged += 1
                        if answer and "revision" in answer:
                            self.assertGreater(answer["revision"], revision)
                            revision = answer["revision"]
                killer.join()
                site.daemon.wait(20)
                site.start()
                items = site.verdicts()
                found = {item["service"]: item["address"] for item in items if item["service"] != "web"}
                now = site.api("/api/v1/verdicts")[1]["revision"]
                self.assertGreater(now, revision)
                for name in set(found) | set(present):
                    if name != uncertain:
                        self.assertEqual(found.get(name), present.get(name), f"seed {seed}: {name}")
                # The one that was under way may be old or new, never something else.
                if uncertain is not None:
                    present.pop(uncertain, None)
                    if uncertain in found:
                        present[uncertain] = found[uncertain]
            print(f"{KILLS} kills, {acknowledged} acknowledged mutations")
            self.assertGreater(acknowledged, KILLS)


if __name__ == "__main__":
    unittest.main()
