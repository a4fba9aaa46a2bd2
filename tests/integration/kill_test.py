"""Goal: acknowledged means durable, whatever moment the daemon is killed at (V11, V2).
Method: mutations of every kind one after another (services, overrides, routes, drains, tokens) while the daemon is killed
with -9 at seeded moments, HALE_KILLS (200) times; after each start everything acknowledged is there, the one that was under
way is old or new, and revisions have not gone back. No mutation may be refused: a dead daemon answers nothing."""

import http.client
import os
import random
import signal
import threading
import unittest

from harness import Case, Site

KILLS = int(os.environ.get("HALE_KILLS", "200"))
CONFIG = """
services:
  web: {instances: ["127.0.0.1:9"], check: {http: /, interval: 1h}}
  two: {instances: ["127.0.0.1:9"], check: {http: /, interval: 1h}}
"""


class Model:
    """What was acknowledged: (kind, name) → value, absent when there is none. Each deed is a call and the entry it leaves."""

    def __init__(self, site, chance):
        self.site, self.chance, self.number = site, chance, 0
        self.entries = {}
        self.acknowledged = {}

    def deed(self):
        """(entry, value afterwards or None, method, path, body)"""
        self.number += 1
        n, chance = self.number, self.chance
        kind = chance.choice(["service", "override", "route", "drain", "token"])
        if kind == "service":
            name = f"s{n % 7}"
            if ("service", name) in self.entries and chance.random() < 0.5:
                return ("service", name), None, "DELETE", f"/api/v1/services/{name}", None
            address = f"127.0.0.1:{10000 + n % 50000}"
            return ("service", name), address, "PUT", f"/api/v1/services/{name}", {"instances": [address], "check": {"http": "/", "interval": "1h"}}
        name = chance.choice(["web", "two"])
        if kind == "override":
            if ("override", name) in self.entries and chance.random() < 0.5:
                return ("override", name), None, "DELETE", f"/api/v1/services/{name}/override", None
            state = chance.choice(["up", "down", "maintenance"])
            return ("override", name), (state, f"reason {n}"), "PUT", f"/api/v1/services/{name}/override", {"state": state, "for": 3600, "reason": f"reason {n}"}
        if kind == "drain":
            if ("drain", name) in self.entries:
                return ("drain", name), None, "POST", f"/api/v1/services/{name}:resume", {}
            return ("drain", name), True, "POST", f"/api/v1/services/{name}:drain", {}
        if kind == "route":
            host = f"r{n % 5}.test"
            if ("route", host) in self.entries:
                return ("route", host), None, "DELETE", f"/api/v1/routes/{self.entries['route', host][1]}", None
            return ("route", host), (name, None), "POST", "/api/v1/routes", {"host": host, "service": name}
        token = f"t{n % 5}"
        if ("token", token) in self.entries:
            return ("token", token), None, "DELETE", f"/api/v1/tokens/{token}", None
        role = chance.choice(["read", "operate"])
        return ("token", token), role, "POST", "/api/v1/tokens", {"name": token, "role": role}

    def settle(self, entry, value):
        if value is None:
            self.entries.pop(entry, None)
        else:
            self.entries[entry] = value

    def found(self):
        """The same entries, as the daemon tells them."""
        api = self.site.api
        entries = {}
        for item in self.site.verdicts():
            if item["service"] not in ("web", "two"):
                entries["service", item["service"]] = item["address"]
        for name in ("web", "two"):
            verdict = api(f"/api/v1/services/{name}/verdict")[1]
            if verdict["override"]:
                entries["override", name] = verdict["override"]["state"], verdict["override"]["reason"]
            if verdict["draining"]:
                entries["drain", name] = True
        for route in api("/api/v1/routes")[1]["items"]:
            if route["owner"] == "api":
                entries["route", route["host"]] = route["service"], route["id"]
        for token in api("/api/v1/tokens")[1]["items"]:
            if token["name"] != "admin":
                entries["token", token["name"]] = token["role"]
        return entries


class Kill(Case):
    def test_v2_v11_everything_acknowledged_survives_kill_minus_nine(self):
        seed = int(os.environ.get("HALE_SEED", random.SystemRandom().randrange(1 << 31)))
        print(f"HALE_SEED={seed}")
        chance = random.Random(seed)
        with Site() as site:
            site.start(CONFIG)
            model = Model(site, chance)
            revision = 0
            for _ in range(KILLS):
                # A timer of its own, so that the moment falls anywhere in the mutations below.
                killer = threading.Timer(chance.random() * 0.12, lambda pid=site.daemon.pid: os.kill(pid, signal.SIGKILL))
                killer.start()
                entry = value = None
                while True:
                    entry, value, method, path, body = model.deed()
                    try:
                        status, answer = site.api(path, method, body, ok=False, timeout=5)
                    except (OSError, http.client.HTTPException, ValueError):
                        break  # The kill, and nothing else: its exit code is looked at below.
                    self.assertIn(status, (200, 201, 204), f"seed {seed}: {method} {path} {body}: {answer}")
                    if entry[0] == "route" and value is not None:
                        value = value[0], answer["id"]
                    model.settle(entry, value)
                    model.acknowledged[entry[0]] = model.acknowledged.get(entry[0], 0) + 1
                    if answer and "revision" in answer:
                        self.assertGreater(answer["revision"], revision)
                        revision = answer["revision"]
                killer.join()
                self.assertEqual(site.daemon.wait(20), -signal.SIGKILL, f"seed {seed}: it ended by itself")
                site.start()
                found = model.found()
                self.assertGreater(site.api("/api/v1/verdicts")[1]["revision"], revision)
                # The one that was under way may be old or new, never something else.
                now = found.get(entry)
                if value is not None and entry[0] == "route" and now is not None:
                    value = value[0], now[1]  # Its id was never answered.
                if now != model.entries.get(entry):
                    self.assertEqual(now, value, f"seed {seed}: {entry}")
                    model.settle(entry, value)
                self.assertEqual(found, model.entries, f"seed {seed}")
            print(f"{KILLS} kills, acknowledged mutations: {model.acknowledged}")
            self.assertGreater(sum(model.acknowledged.values()), KILLS)
            if KILLS >= 100:
                self.assertEqual(set(model.acknowledged), {"service", "override", "route", "drain", "token"})
                self.assertGreater(min(model.acknowledged.values()), KILLS / 10)


if __name__ == "__main__":
    unittest.main()
