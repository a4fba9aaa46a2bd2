"""Goal: containers that somebody else made are instances by their labels as long as they run, what the engine knows of a container
is said of its instance and led by at once, and sick ones are restarted or replaced, but never what serves.
Method: a Docker Engine of this test's own, which is ended and started again; images of a few files around busybox."""

import json
import os
import signal
import time
import unittest

from containers import SERVED_AT_ONCE, EngineCase
from harness import Site, free_port, wait_for
from successors import Load

CONFIG = 'docker: {{host: "{engine}", discover: true}}\ndrain_timeout: 5s\nservices: {services}\n'
SERVE = ["/bin/busybox", "httpd", "-f", "-p", "3000", "-h", "/www"]


class Fleet(EngineCase):
    """Its containers live on when their engine ends."""

    versions = ("web:1",)
    options = ("--live-restore",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.engine.docker("network", "create", "shop")

    def make(self, name, *command, labels=None, options=(), network="shop", verb=("run", "-d")):
        labels = {"hale.service": "web", "hale.host": "web.test", "hale.check.http": "/up", "hale.check.interval": "1s", **(labels or {})}
        said = [part for key, value in labels.items() if value is not None for part in ("--label", f"{key}={value}")]
        self.engine.docker(*verb, "--name", name, "--network", network, "--init", *said, *options, "web:1", *command)

    def start(self, site, services="{}"):
        site.start(CONFIG.format(engine=self.engine.socket, services=services))

    def served(self, site, host="web.test"):
        return site.traffic(host)[0]

    def wait_served(self, site, seconds=10):
        return wait_for(lambda: self.served(site) == 200, "the labelled container to be served", seconds)

    def wait_said(self, site, name, code, seconds=20):
        return wait_for(lambda: (v := site.verdict(name)) and v["reason"]["code"] == code and v, f"{name}: {code}", seconds)

    def audit(self, site):
        return [entry for entry in site.api("/api/v1/audit?limit=1000")[1]["items"] if entry["actor"] == "healing"]

    def test_a_labelled_container_appears_and_vanishes(self):
        with Site() as site:
            self.start(site)
            self.assertEqual(self.served(site), 404)
            began = time.monotonic()
            self.make("web-a")
            started = time.monotonic()
            self.wait_served(site)
            took = time.monotonic() - started
            self.assertLess(took, 2, "discovered, checked and routed")
            listed = site.verdict("web-a")
            self.assertEqual((listed["service"], listed["state"]), ("web", "healthy"))
            self.assertEqual(listed["checks"]["container"]["state"], "healthy", "its container's own word stands beside its check")
            self.make("web-b")
            site.wait_state("web-b", "healthy")
            self.engine.docker("stop", "-t", "1", "web-a")
            wait_for(lambda: site.verdict("web-a") is None, "web-a to vanish", 10)
            self.assertEqual(self.served(site), 200)
            self.engine.docker("rm", "-f", "web-b")
            wait_for(lambda: site.verdict("web-b") is None, "web-b to vanish", 10)
            wait_for(lambda: self.served(site) == 404, "the route to vanish", 10)
            print(f"served {took * 1000:.0f} ms after it was started ({(started - began) * 1000:.0f} ms of that by the engine)")

    def test_labels_of_compose_name_the_service_and_wrong_ones_are_told(self):
        with Site() as site:
            self.start(site, "\n  taken: {hosts: [taken.test], check: {http: /up}, instances: [\"127.0.0.1:1\"]}")
            compose = {"hale.service": None, "com.docker.compose.project": "shop", "com.docker.compose.service": "api"}
            self.make("shop-api-1", labels=compose)
            self.wait_served(site)
            self.assertEqual(site.verdict("shop-api-1")["service"], "shop-api")
            self.make("wrong", labels={"hale.service": "wrong", "hale.host": "wrong.test", "hale.check.interval": "soon"})
            self.make("thief", labels={"hale.service": "taken", "hale.host": "thief.test"})

            def told():
                findings = site.api("/api/v1/doctor")[1]["findings"]
                texts = [one["text"] for one in findings if one["code"] == "shadowed"]
                return len(texts) == 2 and texts

            thief, wrong = wait_for(told, "the refusals", 10)
            self.assertIn('container wrong: label hale.check.interval: "soon" is not a duration', wrong)
            self.assertIn('service "taken" is declared by the file', thief)
            self.assertEqual(self.served(site, "wrong.test"), 404)
            self.assertEqual(site.log_text().count("label hale.check.interval"), 1)
            refused = site.api("/api/v1/services/shop-api", "DELETE", ok=False)
            self.assertEqual(refused[0], 409)
            self.assertIn("labels of its containers", json.dumps(refused[1]))

    def test_traffic_goes_on_while_the_engine_is_away(self):
        with Site() as site:
            self.start(site)
            # In the host's network: bridges are the engine's, which sets them up anew when it is started.
            for name in ("web-a", "web-b"):
                port = str(free_port())
                self.make(name, *SERVE[:-4], "-p", f"127.0.0.1:{port}", "-h", "/www", labels={"hale.port": port}, network="host")
            self.wait_served(site)
            site.wait_state("web-a", "healthy")
            site.wait_state("web-b", "healthy")
            with Load(site.where["http"], "web.test", rate=100, threads=SERVED_AT_ONCE) as load:
                self.engine.end()
                wait_for(lambda: "is away" in site.log_text(), "the engine's end to be noticed")
                before = load.answered
                wait_for(lambda: load.answered >= before + 50, "requests meanwhile")
            self.assertEqual(load.failed[:5], [])
            self.assertEqual(site.verdict("web-a")["state"], "healthy")
            site.stop()
            site.start()
            self.wait_served(site)
            self.assertEqual({one["instance"] for one in site.verdicts()}, {"web-a", "web-b"}, "what labels said outlives a restart without the engine")
            site.wait_state("web-a", "healthy")
            site.wait_state("web-b", "healthy")
            with Load(site.where["http"], "web.test", rate=100, threads=SERVED_AT_ONCE) as load:
                self.engine.start()
                wait_for(lambda: "following" in site.log_text()[site.log_text().rfind("is away"):], "the engine to be followed again", 60)
                # It is gone before anybody hears of it: requests to it are sent again, as many as the traffic before allows.
                wait_for(lambda: load.answered >= 600, "traffic that has a retry budget", 30)
                self.engine.docker("stop", "-t", "1", "web-b")
                wait_for(lambda: site.verdict("web-b") is None, "web-b to vanish", 10)
            self.assertEqual(load.failed[:5], [])
            self.assertGreater(load.answered, 50)

    def test_ends_and_loops_are_told_and_led_by_at_once(self):
        with Site() as site:
            self.start(site)
            self.make("web-a")
            self.make("web-b", labels={"hale.check.interval": "1s"})
            site.wait_state("web-a", "healthy")
            site.wait_state("web-b", "healthy")
            pid = int(self.engine.docker("inspect", "-f", "{{.State.Pid}}", "web-b").stdout)
            os.kill(pid, signal.SIGKILL)
            verdict = self.wait_said(site, "web-b", "container_exited", 5)
            self.assertIn("exited with code 137", verdict["reason"]["text"])
            self.assertFalse(verdict["eligible"])
            explained = site.cli("explain", "instance:web-b").stdout
            self.assertIn("container web-b", explained)
            self.assertEqual([self.served(site) for _ in range(20)], [200] * 20)
            self.engine.docker("start", "web-b")
            site.wait_state("web-b", "healthy")
            self.make("web-c", "/bin/busybox", "sh", "-c", "/bin/busybox sleep 0.3; exit 7", labels={"hale.service": "loop", "hale.host": "loop.test"}, options=("--restart", "always"))
            verdict = self.wait_said(site, "web-c", "crash_loop", 30)
            self.assertIn("ended 3 times within 5m", verdict["reason"]["text"])

    def test_a_failing_health_check_takes_out_of_traffic_and_says_what_it_wrote(self):
        with Site() as site:
            self.start(site)
            self.make("web-a")
            probe = "test ! -e /sick || { echo database is away; exit 1; }"
            self.make("web-b", options=("--health-cmd", f"/bin/busybox sh -c '{probe.replace('test', '/bin/busybox test')}'", "--health-interval", "300ms", "--health-retries", "2"))
            site.wait_state("web-a", "healthy")
            site.wait_state("web-b", "healthy")
            self.engine.docker("exec", "web-b", "/bin/busybox", "touch", "/sick")
            verdict = self.wait_said(site, "web-b", "container_unhealthy", 15)
            self.assertFalse(verdict["eligible"])
            self.assertIn("database is away", verdict["reason"]["text"])
            self.engine.docker("exec", "web-b", "/bin/busybox", "rm", "/sick")
            site.wait_state("web-b", "healthy", 15)

    def test_out_of_memory_is_told(self):
        with Site() as site:
            self.start(site)
            try:
                self.make("web-a", "/bin/busybox", "sh", "-c", "/bin/busybox httpd -p 3000 -h /www; while [ ! -e /eat ]; do /bin/busybox sleep 0.1; done; exec /bin/busybox tail /dev/zero",
                          options=("--memory", "16m", "--memory-swap", "16m"))
            except AssertionError as error:
                self.skipTest(f"no limits of memory here: {error}")
            site.wait_state("web-a", "healthy")
            self.engine.docker("exec", "web-a", "/bin/busybox", "touch", "/eat")
            wait_for(lambda: (v := site.verdict("web-a")) and v["reason"]["code"] in ("container_oom", "container_exited") and v, "its end", 30)
            if not json.loads(self.engine.docker("inspect", "web-a").stdout)[0]["State"]["OOMKilled"]:
                self.skipTest("this machine's cgroups do not tell who ran out of memory")
            verdict = self.wait_said(site, "web-a", "container_oom", 5)
            self.assertIn("exited with code 137 (out of memory)", verdict["reason"]["text"])

    def heal(self, policy):
        return {"hale.heal.policy": policy, "hale.heal.after": "2s", "hale.heal.backoff.first": "2s"}

    def test_a_sick_container_is_restarted_and_what_serves_is_left_alone(self):
        with Site() as site:
            self.start(site)
            # A file that lives in the container's own layer survives a restart: only what runs does not.
            sick = ("/bin/busybox", "sh", "-c", "/bin/busybox rm -f /www/x; exec /bin/busybox httpd -f -p 3000 -h /www")
            self.make("web-a", *sick, labels={**self.heal("restart"), "hale.check.expect": '["[STATUS] == 404"]', "hale.check.http": "/x"}, options=("--stop-timeout", "1"))
            self.make("web-b", *sick, labels={**self.heal("restart"), "hale.check.expect": '["[STATUS] == 404"]', "hale.check.http": "/x"}, options=("--stop-timeout", "1"))
            site.wait_state("web-a", "healthy")
            site.wait_state("web-b", "healthy")
            before = {name: self.engine.docker("inspect", "-f", "{{.State.StartedAt}}", name).stdout for name in ("web-a", "web-b")}
            self.engine.docker("exec", "web-b", "/bin/busybox", "touch", "/www/x")
            site.wait_state("web-b", "unhealthy")
            site.wait_state("web-b", "healthy", 30)
            self.assertNotEqual(self.engine.docker("inspect", "-f", "{{.State.StartedAt}}", "web-b").stdout, before["web-b"])
            self.assertEqual(self.engine.docker("inspect", "-f", "{{.State.StartedAt}}", "web-a").stdout, before["web-a"], "what serves is left alone")
            entries = self.audit(site)
            self.assertEqual([(one["action"], one["object"]) for one in entries], [("restart", "web/web-b")])
            self.assertIn("healing: restart container web-b of service web (try 1): unhealthy for", site.log_text())
            self.assertEqual(self.served(site), 200)

    def test_a_sick_container_is_replaced_by_its_like(self):
        with Site() as site:
            self.start(site)
            self.make("web-a", labels=self.heal("replace"), options=("--stop-timeout", "1", "-e", "WORD=kept", "--network-alias", "shopfront"))
            site.wait_state("web-a", "healthy")
            before = json.loads(self.engine.docker("inspect", "web-a").stdout)[0]
            self.engine.docker("exec", "web-a", "/bin/busybox", "rm", "/www/up")
            site.wait_state("web-a", "unhealthy")
            site.wait_state("web-a", "healthy", 40)
            after = json.loads(self.engine.docker("inspect", "web-a").stdout)[0]
            self.assertNotEqual(after["Id"], before["Id"])
            for key in ("Env", "Labels", "Cmd"):
                self.assertEqual(after["Config"][key], before["Config"][key])
            self.assertIn("shopfront", after["NetworkSettings"]["Networks"]["shop"]["Aliases"])
            self.assertEqual(self.engine.docker("ps", "-a", "--format", "{{.Names}}").stdout.split(), ["web-a"])
            self.assertEqual([one["action"] for one in self.audit(site)], ["replace"])
            self.wait_served(site)

    def test_what_was_deployed_is_healed_and_followed_to_its_new_address(self):
        with Site() as site:
            self.start(site, '{web: {hosts: [web.test], check: {http: /up, interval: 1s}, heal: {policy: replace, after: 2s, backoff: {first: 2s, max: 10s}}, '
                             'deploy: {image: "web:1", replicas: 2, stop_timeout: 1s}}}')
            done = site.cli("deploy", "web", timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            before = self.engine.docker("inspect", "-f", "{{.Id}}", "web-1-1").stdout
            with Load(site.where["http"], "web.test", rate=50, threads=SERVED_AT_ONCE) as load:
                self.engine.docker("exec", "web-1-1", "/bin/busybox", "rm", "/www/up")
                site.wait_state("web-1-1", "unhealthy")
                site.wait_state("web-1-1", "healthy", 40)
            self.assertNotEqual(self.engine.docker("inspect", "-f", "{{.Id}}", "web-1-1").stdout, before)
            self.assertEqual([(one["action"], one["object"]) for one in self.audit(site)], [("replace", "web/web-1-1")])
            # What asked a container for what it had lost was told 404 by it; nobody was refused.
            self.assertEqual([one for one in load.failed if " 404 " not in one][:5], [])
            self.assertEqual(site.cli("ps", "web").stdout.count("running"), 2)

    def test_a_replacement_that_was_cut_off_is_brought_to_its_end(self):
        with Site() as site:
            self.start(site)
            for made in (False, True):
                self.make("web-a", labels=self.heal("replace"), options=("--stop-timeout", "1"))
                site.wait_state("web-a", "healthy")
                # As it is when Hale is killed: before another one has its name, or before that one is started.
                site.stop(signal.SIGKILL)
                old = self.engine.docker("inspect", "-f", "{{.Id}}", "web-a").stdout.strip()
                self.engine.docker("stop", "-t", "1", "web-a")
                self.engine.docker("rename", "web-a", f"web-a-sick-{old[:12]}")
                if made:
                    self.make("web-a", labels=self.heal("replace"), verb=("create",))
                site.start()
                site.wait_state("web-a", "healthy", 40)
                self.wait_served(site)
                wait_for(lambda: self.engine.docker("ps", "-a", "--format", "{{.Names}}").stdout.split() == ["web-a"], "nothing else to be left", 20)
                now = self.engine.docker("inspect", "-f", "{{.Id}}", "web-a").stdout.strip()
                self.assertEqual(now == old, not made)
                self.engine.docker("rm", "-f", "web-a")


if __name__ == "__main__":
    unittest.main()
