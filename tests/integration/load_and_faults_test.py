"""Goal: no idempotent request that had an eligible instance is lost while instances flap, restart and are drained (V20).
Method: constant load for HALE_LOAD_SECONDS (60) on three instances, of which at least one is always left alone; a seeded
driver makes the others sick, kills and restarts them, drains and resumes them, and reloads the file."""

import json
import os
import random
import subprocess
import time
import unittest

from harness import BUILD, Case, Site, wait_for

SECONDS = float(os.environ.get("HALE_LOAD_SECONDS", "60"))
CONFIG = """
defaults: {check: {interval: 200ms, timeout: 500ms, confirm_interval: 100ms}}
services:
  web:
    hosts: [web.test]
    balance: least_requests
    timeouts: {connect: 500ms, first_byte: 5s}
    retry: {max: 2, budget: 100%%}
    instances: [%s]
    check: {http: /up}
"""


class LoadAndFaults(Case):
    def test_v20_nothing_idempotent_is_lost_while_instances_flap_restart_and_drain(self):
        seed = int(os.environ.get("HALE_SEED", random.SystemRandom().randrange(1 << 31)))
        print(f"HALE_SEED={seed}")
        chance = random.Random(seed)
        with Site() as site:
            demos = [site.demo(name) for name in "abc"]
            config = CONFIG % ", ".join(f'"{demo.address}"' for demo in demos)
            site.start(config)
            names = [f"web-{i + 1}" for i in range(3)]
            for name in names:
                site.wait_state(name, "healthy")
            load = site.run([os.path.join(BUILD, "bench", "bench_load"), "--to", site.where["http"], "--host", "web.test", "--connections", "16",
                             "--seconds", str(SECONDS), "--rate", "300"], stdout=subprocess.PIPE, text=True)
            deadline = time.monotonic() + SECONDS - 6
            rounds = 0
            while time.monotonic() < deadline:
                # Only one instance is in trouble at a time, and the next waits until it is back: two are always eligible.
                victim = chance.randrange(3)
                demo, name = demos[victim], names[victim]
                deed = chance.choice(["sick", "restart", "drain", "reload", "set"])
                if deed == "sick":
                    # Health answers 503 while other paths are served: a verdict turns under load.
                    demo.mode("sick", path="/up")
                    site.wait_state(name, "unhealthy")
                    demo.mode("ok")
                elif deed == "restart":
                    site.cli("drain", f"instance:{name}")
                    demo.stop()
                    demo.restart()
                    site.wait_state(name, "healthy")
                    site.cli("resume", f"instance:{name}")
                elif deed == "drain":
                    self.assertEqual(site.cli("drain", f"instance:{name}").returncode, 0)
                    self.assertEqual(site.cli("resume", f"instance:{name}").returncode, 0)
                elif deed == "set":
                    self.assertEqual(site.cli("set", f"instance:{name}", "down", "--for", "1m", "--reason", "test").returncode, 0)
                    self.assertEqual(site.cli("unset", f"instance:{name}").returncode, 0)
                else:
                    site.configure(config + f"# {rounds}\n")
                    self.assertEqual(site.cli("config", "reload").returncode, 0)
                wait_for(lambda: all(site.verdict(n)["eligible"] for n in names), "all three to be eligible again")
                rounds += 1
            answer = json.loads(load.communicate(timeout=SECONDS + 30)[0])
            print(f"{rounds} rounds of trouble under {answer}")
            self.assertGreater(rounds, 3)
            self.assertGreater(answer["requests"], 100 * SECONDS)
            self.assertEqual((answer["errors"], answer["not_ok"]), (0, 0))


if __name__ == "__main__":
    unittest.main()
