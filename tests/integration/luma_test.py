"""Goal: two services with one address and different health paths are never judged by each other's probes, and what an
operator sets stays set until it expires (V1, V3, V7).
Method: examples/luma's own configuration with its times turned down: 1,000 rounds, each after a fresh observation of both; an
override over at least 3 passing intervals, a restart, and its expiry."""

import contextlib
import os
import subprocess
import unittest

from acme_test import Pebble, shown
from harness import Case, DEMO, HALE, ROOT, Site, request, wait_for

ROUNDS = 1000


class Luma(Case):
    @contextlib.contextmanager
    def luma(self):
        """The example's own daemon beside one demo backend that is sick at /up alone."""
        with Site() as site:
            web = site.demo("web")
            site.environment = {"LUMA_HTTP": "127.0.0.1:0", "LUMA_ADMIN": "127.0.0.1:0", "LUMA_STATE": site.state, "LUMA_WEB": web.address,
                                "LUMA_INTERVAL": "100ms", "LUMA_CONFIRM": "100ms"}
            site.config_path = os.path.join(ROOT, "examples", "luma", "hale.yml")
            request(web.address, "POST", "/_demo?mode=sick&path=/up", body=b"")
            site.start()
            yield site

    def names(self, site):
        return {item["service"]: item for item in site.verdicts()}

    def test_v1_v3_one_address_two_paths_never_swapped_in_a_thousand_rounds(self):
        with self.luma() as site:
            wait_for(lambda: (n := self.names(site)) and n["gmail-web"]["state"] == "healthy" and n["notes-web"]["state"] == "unhealthy", "both verdicts")
            first = self.names(site)
            seen = {name: item["observed_at"] for name, item in first.items()}
            for round_number in range(ROUNDS):
                # A round is one where both were looked at again: not a thousand looks at the same two observations.
                def looked_again():
                    items = self.names(site)
                    return all(items[name]["observed_at"] > at for name, at in seen.items()) and items

                items = wait_for(looked_again, f"both to be observed again in round {round_number}")
                seen = {name: item["observed_at"] for name, item in items.items()}
                self.assertEqual({name: item["state"] for name, item in items.items()}, {"gmail-web": "healthy", "notes-web": "unhealthy"}, round_number)
                self.assertEqual({name: item["version"] for name, item in items.items()}, {name: item["version"] for name, item in first.items()})
                self.assertTrue(items["notes-web"]["reason"]["text"].startswith(f"GET http://{items['notes-web']['resolved']}/up: answered 503"),
                                items["notes-web"]["reason"])
                self.assertEqual(site.traffic("test.eliasson.me")[0], 200, round_number)
                status, headers, _ = site.traffic("notes.eliasson.me")
                self.assertEqual((status, headers["hale-reason"]), (503, "no_eligible_instance"), round_number)

    def test_v7_an_override_outlives_three_passing_intervals_and_a_restart_then_expires(self):
        with self.luma() as site:
            wait_for(lambda: self.names(site)["gmail-web"]["state"] == "healthy", "gmail-web to be healthy")
            self.assertEqual(site.cli("set", "test.eliasson.me", "down", "--for", "20s", "--reason", "disk swap").returncode, 0)
            self.assertEqual(site.traffic("test.eliasson.me")[0], 503)
            seen = set()
            wait_for(lambda: seen.add(self.names(site)["gmail-web"]["observed_at"]) or len(seen) > 3, "more than 3 passing intervals")
            item = self.names(site)["gmail-web"]
            self.assertEqual((item["state"], item["eligible"], item["override"]["state"]), ("healthy", False, "down"))
            self.assertEqual(site.traffic("test.eliasson.me")[0], 503)
            site.stop()
            site.start()
            self.assertEqual(site.traffic("test.eliasson.me")[0], 503)
            self.assertEqual(self.names(site)["gmail-web"]["override"]["reason"], "disk swap")
            wait_for(lambda: self.names(site)["gmail-web"]["override"] is None, "the override to expire", 40)
            wait_for(lambda: site.traffic("test.eliasson.me")[0] == 200, "traffic to return")

    def test_the_aliases_of_its_users_answer(self):
        with self.luma() as site:
            self.assertEqual(request(site.where["http"], path="/luma-proxy/health", headers={"Host": "test.eliasson.me"})[0], 200)
            wait_for(lambda: self.names(site)["gmail-web"]["state"] == "healthy", "gmail-web to be healthy")
            self.assertEqual(site.api("/luma-proxy/verify-health/gmail-web", "POST")[0], 200)
            # No caller-chosen target, and not on the public listener.
            status, headers, _ = request(site.where["http"], "POST", "/luma-proxy/verify-health/gmail-web", {"Host": "nobody.test"}, b"")
            self.assertEqual((status, headers["hale-reason"]), (404, "no_route"))

    def test_https_as_its_users_know_it(self):
        with Site() as site:
            web = site.demo("web")
            site.environment = {"LUMA_HTTP": "127.0.0.1:0", "LUMA_HTTPS": "127.0.0.1:0", "LUMA_ADMIN": "127.0.0.1:0", "LUMA_STATE": site.state, "LUMA_WEB": web.address,
                                "LUMA_INTERVAL": "100ms", "LUMA_CONFIRM": "100ms", "LUMA_ACME_DIRECTORY": "https://127.0.0.1:1/directory"}
            site.config_path = os.path.join(ROOT, "examples", "luma", "https.yml")
            site.start()
            ports = {kind: site.where[kind] for kind in ("http", "https")}
            shown(ports["https"], "test.eliasson.me")
            pebble = Pebble(site, *(address.rsplit(":", 1)[1] for address in ports.values()))
            site.stop()
            site.environment.update({"LUMA_HTTP": ports["http"], "LUMA_HTTPS": ports["https"], "LUMA_ACME_DIRECTORY": pebble.directory, "LUMA_ACME_CA": pebble.own.path})
            site.start()
            wait_for(lambda: site.traffic("test.eliasson.me", "/luma-proxy/x")[0] == 301, "the redirect")
            status, headers, _ = site.traffic("test.eliasson.me", "/inbox")
            self.assertEqual((status, headers["location"]), (301, f"https://test.eliasson.me:{ports['https'].rsplit(':', 1)[1]}/inbox"))
            wait_for(lambda: "● active" in site.cli("cert", "list").stdout, "the certificate", 60)
            first = shown(ports["https"], "test.eliasson.me", pebble.root())
            self.assertIn("Pebble", site.cli("cert", "show", "test.eliasson.me").stdout)
            self.assertEqual(site.cli("cert", "renew", "test.eliasson.me").returncode, 0)
            wait_for(lambda: shown(ports["https"], "test.eliasson.me", pebble.root()) != first, "the renewed certificate", 60)

    def test_https_without_an_authority_in_reach_is_explained_by_one_command(self):
        run = subprocess.run([os.path.join(ROOT, "examples", "luma", "run-https"), HALE, DEMO], capture_output=True, text=True, timeout=120)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertIn("301 https://test.eliasson.me", run.stdout)
        self.assertIn("\n200\n", run.stdout)
        self.assertRegex(run.stdout, r"test\.eliasson\.me\s+. failed|test\.eliasson\.me\s+. pending")

    def test_the_example_runs_by_one_command(self):
        run = subprocess.run([os.path.join(ROOT, "examples", "luma", "run"), HALE, DEMO, "20"], capture_output=True, text=True, timeout=120)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertIn("swapped 0 times", run.stdout)


if __name__ == "__main__":
    unittest.main()
