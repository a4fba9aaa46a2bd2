"""Goal: no idempotent request that had an eligible instance is lost while instances flap, die, restart and are drained (V20),
and under that load all surfaces say the same (V1), and nothing acknowledged is late for the next request or read (V2).
Method: constant load for HALE_LOAD_SECONDS (60) on three instances, of which one at a time is in trouble: ill, killed without
a drain, refusing, resetting what it is asked, drained, overridden; beside that pauses and reloads that change thresholds,
questions and checks. The retry budget is the default. A reader compares list, explain, metrics and events all the time; a
second service is mutated without probes in between, and the request right after each answer must know of it."""

import json
import os
import random
import re
import subprocess
import threading
import time
import unittest

from harness import BUILD, Case, Site, wait_for
from surfaces import Surfaces

SECONDS = float(os.environ.get("HALE_LOAD_SECONDS", "60"))
CONFIG = """
defaults: {{check: {{interval: 200ms, timeout: 500ms, confirm_interval: 100ms}}}}
services:
  web:
    hosts: [web.test]
    balance: least_requests
    timeouts: {{connect: 500ms, first_byte: 5s}}
    instances: [{instances}]
    checks:
      {checks}
  told:
    hosts: [told.test]
    instances: ["{lonely}"]
    check: {{http: /up, timeout: 5s}}  # Its verdict is not what is tested: a slow machine must not turn it.
"""
PLAIN = "main: {http: /up}"


class Teller(threading.Thread):
    """Mutates `told` as fast as it goes; right after each acknowledgement asks the router and the API (V2)."""

    def __init__(self, site):
        super().__init__()
        self.site, self.stopping, self.told, self.wrong, self.trouble = site, threading.Event(), {}, [], None

    def expect(self, deed, answered, status, host="told.test", reason=None):
        got, headers, _ = self.site.traffic(host)
        if got != status or (reason and headers.get("hale-reason") != reason):
            self.wrong.append(f"after {deed}: {got} {headers.get('hale-reason')} instead of {status} {reason or ''}")
        listed = self.site.api("/api/v1/verdicts")[1]["revision"]
        if listed < answered[1]["revision"]:
            self.wrong.append(f"after {deed}: a read at {listed}, acknowledged was {answered[1]['revision']}")
        self.told[deed] = self.told.get(deed, 0) + 1

    def run(self):
        api = self.site.api
        try:
            while not self.stopping.is_set():
                self.expect("down", api("/api/v1/services/told/override", "PUT", {"state": "down", "for": 60, "reason": "V2"}), 503, reason="no_eligible_instance")
                self.expect("unset", api("/api/v1/services/told/override", "DELETE"), 200)
                self.expect("maintenance", api("/api/v1/instances/told-1/override", "PUT", {"state": "maintenance", "for": 60, "reason": "V2"}), 503)
                self.expect("unset", api("/api/v1/instances/told-1/override", "DELETE"), 200)
                self.expect("drain", api("/api/v1/instances/told-1:drain", "POST", {}), 503, reason="no_eligible_instance")
                self.expect("resume", api("/api/v1/instances/told-1:resume", "POST", {}), 200)
                made = api("/api/v1/routes", "POST", {"host": "also.test", "service": "told"})
                self.expect("route", made, 200, "also.test")
                self.expect("no route", api(f"/api/v1/routes/{made[1]['id']}", "DELETE"), 404, "also.test", "no_route")
        except Exception as error:
            self.trouble = repr(error)


class LoadAndFaults(Case):
    def test_v1_v2_v20_nothing_is_lost_and_every_surface_agrees_while_instances_flap_die_and_drain(self):
        seed = int(os.environ.get("HALE_SEED", random.SystemRandom().randrange(1 << 31)))
        print(f"HALE_SEED={seed}")
        chance = random.Random(seed)
        with Site() as site:
            demos = [site.demo(name) for name in "abc"]
            lonely = site.demo("lonely")

            def configuration(checks=PLAIN):
                return CONFIG.format(instances=", ".join(f'"{demo.address}"' for demo in demos), lonely=lonely.address, checks=checks)

            site.start(configuration())
            names = [f"web-{i + 1}" for i in range(3)]
            for name in [*names, "told-1"]:
                site.wait_state(name, "healthy")
            load = site.run([os.path.join(BUILD, "bench", "bench_load"), "--to", site.where["http"], "--host", "web.test", "--connections", "16",
                             "--seconds", str(SECONDS), "--rate", "300"], stdout=subprocess.PIPE, text=True)

            def retries():
                found = re.search(r'^hale_request_trouble_total\{service="web",kind="retry"\} (\d+)', site.api_text("/metrics"), re.M)
                return int(found[1]) if found else 0

            def lost():
                return sum(int(count) for count in re.findall(r'^hale_requests_total\{service="web",code_class="[45]xx",.*\} (\d+)', site.api_text("/metrics"), re.M))

            def reload(text):
                site.configure(text)
                done = site.cli("config", "reload")
                self.assertEqual(done.returncode, 0, done.stderr)

            def sick(demo, name):
                # Health answers 503 while other paths are served: a verdict turns under load.
                demo.mode("sick", path="/up")
                site.wait_state(name, "unhealthy")
                demo.mode("ok")

            def die(demo, name):
                # No drain: requests are under way at it, and more come until the verdict turns.
                demo.stop()
                site.wait_state(name, "unhealthy")
                demo.restart()

            def refuse(demo, name):
                demo.mode("refuse", ms=1500)
                site.wait_state(name, "unhealthy")

            def reset(demo, name):
                # Health is fine, and what is asked is answered with a reset: only retries save those requests.
                before = retries()
                demo.mode("reset", path="/")
                wait_for(lambda: retries() > before, f"a retry, as {name} resets what it is asked")
                demo.mode("ok")

            def restart(demo, name):
                self.assertEqual(site.cli("drain", f"instance:{name}").returncode, 0)
                demo.stop()
                demo.restart()
                site.wait_state(name, "healthy")
                self.assertEqual(site.cli("resume", f"instance:{name}").returncode, 0)

            def drain(_, name):
                self.assertEqual(site.cli("drain", f"instance:{name}").returncode, 0)
                self.assertEqual(site.cli("resume", f"instance:{name}").returncode, 0)

            def override(_, name):
                self.assertEqual(site.cli("set", f"instance:{name}", "down", "--for", "1m", "--reason", "test").returncode, 0)
                self.assertEqual(site.cli("unset", f"instance:{name}").returncode, 0)

            def pause(*_):
                self.assertEqual(site.cli("pause", "web", "--max", "20s").returncode, 0)
                self.assertEqual(site.cli("resume", "web").returncode, 0)

            def retime(*_):
                reload(configuration(f"main: {{http: /up, fall: {chance.randrange(2, 5)}, rise: {chance.randrange(1, 3)}}}"))

            def question(*_):
                reload(configuration("main: {http: /health}"))
                reload(configuration())

            def another_check(*_):
                # A check more: what it says first decides nothing that the others had proven.
                reload(configuration(PLAIN + "\n      also: {http: /health}"))
                reload(configuration())

            deeds = [sick, die, refuse, reset, restart, drain, override, pause, retime, question, another_check]
            done, blamed = [], {}
            teller = Teller(site)
            with Surfaces(site) as surfaces:
                teller.start()
                deadline = time.monotonic() + SECONDS - 6
                while time.monotonic() < deadline:
                    # Only one instance is in trouble at a time, and the next waits until it is back: two are always eligible.
                    # Each deed comes once before any comes twice.
                    if not deeds:
                        deeds = sorted(set(done), key=lambda deed: deed.__name__)
                    deed = deeds.pop(chance.randrange(len(deeds)))
                    victim = chance.randrange(3)
                    before = lost()
                    deed(demos[victim], names[victim])
                    wait_for(lambda: all(site.verdict(n)["eligible"] for n in names), f"all three to be eligible again after {deed.__name__}")
                    done.append(deed)
                    now = lost()
                    if now != before:
                        blamed[deed.__name__] = blamed.get(deed.__name__, 0) + now - before
                teller.stopping.set()
                teller.join(60)
            answer = json.loads(load.communicate(timeout=SECONDS + 30)[0])
            counts = {deed.__name__: done.count(deed) for deed in dict.fromkeys(done)}
            print(f"{counts} under {answer}, {retries()} retries; {surfaces.samples} samples, {surfaces.events} events, compared {surfaces.compared}; "
                  f"told {teller.told}; lost {blamed}")
            self.assertEqual((surfaces.disagreements[:5], surfaces.failures), ([], []), f"seed {seed}")
            self.assertEqual((teller.wrong[:5], teller.trouble), ([], None), f"seed {seed}")
            self.assertEqual((answer["errors"], answer["not_ok"]), (0, 0), f"seed {seed}: lost during {blamed}")
            # And it was no easy life: all of it happened, was seen, and needed retries.
            self.assertGreater(answer["requests"], 100 * SECONDS)
            self.assertGreater(retries(), 0)
            self.assertGreater(surfaces.samples, SECONDS / 2)
            self.assertGreater(surfaces.events, SECONDS)
            for pair in (("explain", "list"), ("events", "list"), ("list", "metrics"), ("events", "explain")):
                self.assertGreater(surfaces.compared.get(pair, 0), SECONDS / 2, pair)
            self.assertGreater(min(teller.told.values()), SECONDS / 4)
            if SECONDS >= 60:
                self.assertEqual(set(counts), {"sick", "die", "refuse", "reset", "restart", "drain", "override", "pause", "retime", "question", "another_check"})


if __name__ == "__main__":
    unittest.main()
