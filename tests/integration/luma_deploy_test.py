"""Goal: the seven regression tests that Luma's users asked for, held by deployments: how long until it serves, how long until everybody
says so, one deployment right after the other, a network that is cut, an override against the checker, a restart, and names alone.
Method: the hosts, paths and port of Luma's own server; targets beside real containers where names and networks are what is asked about."""

import json
import os
import re
import signal
import subprocess
import time
import unittest

from harness import Case, HALE, ROOT, Site, request, wait_for
from containers import SERVED_AT_ONCE, EngineCase
from successors import Load

HOST = "test.eliasson.me"
CONFIG = "drain_timeout: 1s\nservices:\n  gmail: {{hosts: [" + HOST + "], instances: [\"{first}\"], check: {{http: /api/health, interval: 500ms}}}}\n"
CONTAINERS = """docker: {{host: "{engine}"}}
drain_timeout: 1s
services:
  gmail: {{hosts: [test.eliasson.me], check: {{http: /api/health, interval: 1s}}, deploy: {{image: "gmail:1", aliases: [web], stop_timeout: 1s}}}}
  notes: {{hosts: [notes.eliasson.me], check: {{http: /up, interval: 1s}}, deploy: {{image: "notes:1", aliases: [web], stop_timeout: 1s}}}}
"""
READY_SECONDS = 5  # Of a sanitizer build on a busy machine; bench/deploys.py measures a released one.


class LumaDeploy(Case):
    def site(self):
        site = Site()
        self.enterContext(site)
        first = site.demo("first")
        site.start(CONFIG.format(first=first.address))
        site.wait_state("gmail-1", "healthy")
        return site, first

    def deploy(self, site, *arguments, code=0):
        done = site.cli("deploy", "gmail", *arguments, timeout=120)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def served(self, site):
        status, headers, body = site.traffic(HOST)
        return body.decode() if status == 200 else headers.get("hale-reason", status)

    def surfaces(self, site):
        """What each surface says of the service: (traffic, list, its verdict, its health)."""
        serving = [item for item in site.verdicts() if item["lifecycle"] == "serving"]
        return (site.traffic(HOST)[0], {item["state"] for item in serving}, site.api("/api/v1/services/gmail/verdict", ok=False)[1]["state"],
                request(site.where["admin"], path="/health/gmail", headers={"Authorization": f"Bearer {site.token}"})[0])

    def test_deploy_to_ready_takes_no_cycle_of_a_checker(self):
        site, _ = self.site()
        took = []
        for n in range(5):
            fresh = site.demo(f"version-{n}")
            began = time.monotonic()
            self.deploy(site, "--target", fresh.address)
            took.append(time.monotonic() - began)
            self.assertIn(fresh.name, self.served(site))
        self.assertLess(sorted(took)[2], READY_SECONDS)

    def test_propagation_is_over_when_the_deployment_is(self):
        site, _ = self.site()
        fresh = [site.demo("odd"), site.demo("even")]
        for n in range(10):
            self.deploy(site, "--target", fresh[n % 2].address)
            self.assertEqual(self.surfaces(site), (200, {"healthy"}, "healthy", 200))
            self.assertIn(fresh[n % 2].name, self.served(site))
            explained = json.loads(site.cli("explain", HOST, "-o", "json").stdout)
            self.assertIn(fresh[n % 2].address, json.dumps(explained))

    def test_rapid_successive_deployments_end_with_the_last(self):
        site, _ = self.site()
        fresh = [site.demo(f"version-{n}") for n in range(3)]
        with Load(site.where["http"], HOST, rate=200, threads=SERVED_AT_ONCE) as load:
            for n in range(12):
                done = site.api("/api/v1/services/gmail:deploy", "POST", {"targets": [fresh[n % 3].address]}, ok=False)
                self.assertIn(done[0], (200, 201, 202, 409), done)
            wait_for(lambda: all(one["over"] for one in self.deployments(site)), "all to end", 60)
        self.assertEqual(load.failed[:5], [])
        ends = [one["phase"] for one in self.deployments(site)]
        self.assertEqual(ends[0], "done")
        self.assertLessEqual(set(ends), {"done", "superseded"})
        self.assertIn(fresh[2].name, self.served(site))
        self.assertEqual(self.surfaces(site), (200, {"healthy"}, "healthy", 200))

    def deployments(self, site):
        return site.api("/api/v1/deployments?limit=1000")[1]["items"]

    def test_a_network_that_is_cut_is_the_new_versions_trouble_alone(self):
        site, _ = self.site()
        fresh = site.demo("fresh")
        fresh.process.send_signal(signal.SIGSTOP)  # Connections are made, and nothing is ever said.
        try:
            done = self.deploy(site, "--target", fresh.address, "--timeout", "8s", code=1)
            self.assertRegex(done.stderr, "not_ready: .*/api/health: .*(timeout|within|after 2)")
            self.assertIn("first", self.served(site))
        finally:
            fresh.process.send_signal(signal.SIGCONT)
        self.deploy(site, "--target", fresh.address)
        self.assertIn("fresh", self.served(site))
        # Cut while it serves: nobody says healthy of what answers 503, and nobody has to do anything when it is back.
        name = self.deployments(site)[0]["instances"][0]["instance"]
        fresh.process.send_signal(signal.SIGSTOP)
        try:
            site.wait_state(name, "unhealthy", 30)
            self.assertEqual(self.served(site), "no_eligible_instance")
            self.assertEqual(self.surfaces(site), (503, {"unhealthy"}, "unhealthy", 503))
        finally:
            fresh.process.send_signal(signal.SIGCONT)
        site.wait_state(name, "healthy", 30)
        self.assertIn("fresh", self.served(site))

    def test_an_override_outlives_checks_and_a_deployment(self):
        site, first = self.site()
        fresh = site.demo("fresh")
        self.assertEqual(site.cli("set", "gmail", "maintenance", "--for", "10m", "--reason", "disk swap").returncode, 0)
        seen = set()
        wait_for(lambda: seen.add(site.verdict("gmail-1")["observed_at"]) or len(seen) > 3, "more than 3 passing intervals")
        self.assertEqual(self.served(site), "maintenance")
        # What can't be shown to users can't be verified as they meet it: it says so, and who is in its way.
        done = self.deploy(site, "--target", fresh.address, "--timeout", "3s", code=1)
        self.assertIn("an override (down or maintenance) keeps users away from it; `hale unset gmail` ends that", done.stderr)
        self.assertEqual(self.served(site), "maintenance")
        self.assertEqual(site.verdict("gmail-1")["override"]["reason"], "disk swap")
        self.assertEqual(site.cli("unset", "gmail").returncode, 0)
        self.deploy(site, "--target", fresh.address)
        self.assertIn("fresh", self.served(site))

    def test_what_was_deployed_is_there_after_any_restart(self):
        site, _ = self.site()
        fresh = site.demo("fresh")
        self.deploy(site, "--target", fresh.address)
        for how in (signal.SIGTERM, signal.SIGKILL):
            site.stop(how)
            site.start()
            # At once, with what was believed before: no window where all are down, or all are up.
            self.assertIn("fresh", self.served(site))
            serving = [item for item in site.verdicts() if item["lifecycle"] == "serving"]
            self.assertEqual([(item["address"], item["state"]) for item in serving], [(fresh.address, "healthy")])
        back = site.cli("rollback", "gmail", timeout=60)
        self.assertEqual(back.returncode, 0, back.stderr)
        self.assertIn("first", self.served(site))

    def test_a_name_alone_is_resolved_or_is_what_is_wrong(self):
        site, _ = self.site()
        fresh = site.demo("fresh")
        port = fresh.address.rsplit(":", 1)[1]
        self.deploy(site, "--target", f"localhost:{port}")
        self.assertIn("fresh", self.served(site))
        record = self.deployments(site)[0]
        self.assertEqual((record["instances"][0]["target"], record["instances"][0]["address"]), (f"localhost:{port}", fresh.address))
        done = self.deploy(site, "--target", "web.no-such-project.invalid:3000", "--timeout", "3s", code=1)
        self.assertRegex(done.stderr, "not_ready: .*web.no-such-project.invalid")
        self.assertIn("fresh", self.served(site))


class LumaDeployContainers(EngineCase):
    versions = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for n in (1, 2):
            cls.image(f"gmail:{n}", up=False, scripts={"/www/api/health": "ok\n"})
            cls.image(f"notes:{n}")

    def test_the_example_runs_by_one_command(self):
        run = subprocess.run([os.path.join(ROOT, "examples", "luma", "run-deploy"), HALE], capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL,
                             env={**os.environ, "DOCKER_HOST": self.engine.socket, "NO_COLOR": "1"})
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertRegex(run.stdout, r"(?m)^[1-9]\d+ requests, 0 of them failed$")
        self.assertIn("not_ready: gmail-web-3-1", run.stderr)
        self.assertEqual(re.findall(r"(?m)^users: 200 gmail-web:(.*)$", run.stdout), ["blue", "green", "green", "blue"])

    def test_two_projects_with_the_same_name_and_port_are_never_each_others(self):
        with Site() as site:
            self.start(site, config=CONTAINERS)
            for n in (1, 2, 1):
                for service, host in (("gmail", "test.eliasson.me"), ("notes", "notes.eliasson.me")):
                    done = site.cli("deploy", service, "--image", f"{service}:{n}", timeout=120)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(site.traffic(host)[2].decode(), f"{service}:{n}\n")
                for item in site.verdicts():
                    if item["lifecycle"] != "serving":
                        continue
                    networks = json.loads(self.engine.docker("inspect", item["instance"]).stdout)[0]["NetworkSettings"]["Networks"]
                    self.assertEqual(list(networks), [f"{item['service']}-network"])
                    self.assertEqual(item["address"], f"{networks[item['service'] + '-network']['IPAddress']}:3000")
                    self.assertIn("web", networks[f"{item['service']}-network"]["Aliases"])
            # Right for one is wrong for the other: the wrong image under the right name.
            wrong = site.cli("deploy", "notes", "--image", "gmail:1", "--timeout", "3s", timeout=120)
            self.assertEqual(wrong.returncode, 1, wrong.stderr)
            self.assertIn("/up: answered 404", wrong.stderr)
            self.assertEqual(site.traffic("notes.eliasson.me")[2].decode(), "notes:1\n")


if __name__ == "__main__":
    unittest.main()
