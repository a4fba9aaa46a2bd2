"""Goal: one verdict carries a request from check to route to explanation, and every surface says the same (V1, V13, V15, V21).
Method: a real daemon with two demo backends that are made sick, slow and dead by request."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import Case, Site, wait_for

CONFIG = """
defaults: {check: {interval: 200ms, timeout: 500ms, confirm_interval: 100ms}}
services:
  web:
    hosts: [web.test]
    instances: ["%s", "%s"]
    check: {http: /up}
  lonely:
    hosts: [lonely.test]
    instances: ["%s"]
    check: {http: /up}
"""


class FirstTraffic(Case):
    def test_v1_v21_a_verdict_turns_and_every_surface_says_so(self):
        with Site() as site:
            a, b, c = site.demo("a"), site.demo("b"), site.demo("c")
            site.start(CONFIG % (a.address, b.address, c.address))
            for name in ("web-1", "web-2", "lonely-1"):
                site.wait_state(name, "healthy")
            status, headers, _ = site.traffic("web.test")
            self.assertEqual(status, 200)
            self.assertNotIn("hale-reason", headers)

            c.mode("sick")
            verdict = site.wait_state("lonely-1", "unhealthy")
            self.assertEqual(verdict["reason"]["code"], "status_mismatch")
            self.assertFalse(verdict["eligible"])
            self.assertGreaterEqual(verdict["checks"]["main"]["run"]["length"], 3)
            status, headers, body = site.traffic("lonely.test", headers={"Accept": "application/json"})
            self.assertEqual(status, 503)
            self.assertEqual(headers["hale-reason"], "no_eligible_instance")
            self.assertIn("retry-after", headers)
            self.assertEqual(headers["content-type"], "application/problem+json")
            problem = json.loads(body)
            self.assertEqual(problem["code"], "no_eligible_instance")
            self.assertNotIn(c.address, body.decode())  # Details only to whom they are due.
            explained = site.cli("explain", "lonely.test")
            self.assertEqual(explained.returncode, 0, explained.stderr)
            for fact in ("lonely.test", "lonely-1", "unhealthy", c.address, "503", "/up", "no override"):
                self.assertIn(fact, explained.stdout)
            listed = site.cli("list", "-o", "json")
            item = next(v for v in json.loads(listed.stdout)["items"] if v["instance"] == "lonely-1")
            self.assertEqual((item["state"], item["version"]), (verdict["state"], verdict["version"]))
            metrics = site.api_text("/metrics")
            self.assertIn('hale_verdict{service="lonely",instance="lonely-1",state="unhealthy"} 1', metrics)
            self.assertEqual(site.cli("list", "--unhealthy").returncode, 2)

            c.mode("ok")
            site.wait_state("lonely-1", "healthy")
            self.assertEqual(site.traffic("lonely.test")[0], 200)
            self.assertEqual(site.cli("verify", "lonely.test", "--timeout", "10s").returncode, 0)

    def test_v13_no_host_no_instance_no_check_is_never_green(self):
        with Site() as site:
            site.start("services: {}\n")
            status, headers, _ = site.traffic("nobody.test")
            self.assertEqual((status, headers["hale-reason"]), (404, "no_route"))
            self.assertEqual(site.cli("verify", "nobody").returncode, 3)
            self.assertEqual(site.cli("list", "-o", "nagios").returncode, 3)

    def test_v7_an_override_takes_an_instance_out_and_passing_probes_do_not_bring_it_back(self):
        with Site() as site:
            a, b, c = site.demo("a"), site.demo("b"), site.demo("c")
            site.start(CONFIG % (a.address, b.address, c.address))
            site.wait_state("lonely-1", "healthy")
            self.assertEqual(site.cli("set", "lonely", "down", "--for", "1h").returncode, 2)  # No reason given.
            done = site.cli("set", "lonely", "down", "--for", "1h", "--reason", "disk swap")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(site.traffic("lonely.test")[0], 503)
            seen = site.verdict("lonely-1")["observed_at"]
            verdict = wait_for(lambda: (v := site.verdict("lonely-1")) and v["observed_at"] > seen and v, "a further passing probe")
            self.assertEqual((verdict["state"], verdict["eligible"], verdict["override"]["reason"]), ("healthy", False, "disk swap"))
            site.stop()
            site.start()
            self.assertEqual(site.traffic("lonely.test")[0], 503)
            self.assertEqual(site.cli("unset", "lonely").returncode, 0)
            site.wait_state("lonely-1", "healthy")
            self.assertEqual(site.traffic("lonely.test")[0], 200)


if __name__ == "__main__":
    unittest.main()
