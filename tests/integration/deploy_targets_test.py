"""Goal: `hale deploy` leads users to what was verified and to nothing else, without a lost request; and what can't be verified
changes nothing and says why.
Method: real backends under constant load, deployed one after the other; each way a new version can be wrong; a daemon that is
killed on the way."""

import json
import signal
import time
import unittest

from harness import Case, Site, wait_for
from successors import Load

CONFIG = "services:\n  web: {{hosts: [web.test], instances: [\"{first}\"], check: {{http: /up, interval: 500ms}}}}\n"
ROUNDS = 50


class DeployTargets(Case):
    def served(self, site):
        status, _, body = site.traffic("web.test")
        return body.decode().strip() if status == 200 else status

    def test_v20_fifty_deployments_under_load_lose_no_request(self):
        with Site() as site:
            first = site.demo("v0")
            site.start(CONFIG.format(first=first.address))
            site.wait_state("web-1", "healthy")
            versions = [site.demo("odd"), site.demo("even")]
            took = []
            with Load(site.where["http"], "web.test", rate=400) as load:
                wait_for(lambda: load.answered > 100, "load", 20)
                for n in range(ROUNDS):
                    began = time.monotonic()
                    done = site.cli("deploy", "web", "--target", versions[n % 2].address)
                    took.append(time.monotonic() - began)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertIn("is done: users reach it", done.stderr)
                    self.assertIn(versions[n % 2].name, self.served(site))
            self.assertEqual(load.failed[:5], [])
            self.assertGreater(load.answered, 1000)
            items = site.api("/api/v1/deployments?limit=1000")[1]["items"]
            self.assertEqual({one["phase"] for one in items}, {"done"})
            self.assertEqual([one["number"] for one in items], list(range(ROUNDS, 0, -1)))
            print(f"{ROUNDS} deployments, {load.answered} requests, {len(load.failed)} failed; median {sorted(took)[len(took) // 2]:.2f} s")

    def test_what_is_wrong_with_a_new_version_is_named_and_changes_nothing(self):
        with Site() as site:
            first, second = site.demo("old"), site.demo("new")
            site.start(CONFIG.format(first=first.address))
            site.wait_state("web-1", "healthy")
            second.mode("sick")
            done = site.cli("deploy", "web", "--target", second.address, "--timeout", "2s")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("rolled_back", done.stderr)
            self.assertIn(f"not_ready: web-1-1: GET http://{second.address}/up: answered 503", done.stderr)
            self.assertIn("old", self.served(site))
            second.mode("ok")
            nobody = site.cli("deploy", "web", "--target", "127.0.0.1:1", "--timeout", "2s")
            self.assertEqual(nobody.returncode, 1, nobody.stderr)
            self.assertIn("connect refused", nobody.stderr)
            none = site.cli("deploy", "nothing", "--target", second.address)
            self.assertEqual(none.returncode, 3, none.stderr)
            self.assertIn("there is no service \"nothing\"; with --host it is made beside its route", none.stderr)
            for verb in (("deploy", "wbe", "--target", second.address), ("rollback", "wbe"), ("scale", "wbe", "2")):
                misspelt = site.cli(*verb)
                self.assertEqual((misspelt.returncode, misspelt.stderr), (3, 'hale: there is no service "wbe"; did you mean web?\n'))
            # What is there already stays as it is, and who asks for something else is told.
            for flags, says in ((("--health-path", "/other"), "its checks do not ask for that path"), (("--host", "web.test", "--tls"), "says no tls"),
                                (("--host", "web.test", "--strip"), "strips nothing"), (("--host", "web.test", "--project", "p"), "as no project's")):
                refused = site.cli("deploy", "web", "--target", second.address, *flags)
                self.assertEqual(refused.returncode, 2, refused.stderr)
                self.assertIn(says, refused.stderr)
            self.assertEqual(site.cli("rollback", "web").returncode, 3)
            dry = site.cli("deploy", "web", "--target", second.address, "--dry-run", "-o", "json")
            self.assertEqual(dry.returncode, 0, dry.stderr)
            self.assertGreaterEqual(json.loads(dry.stdout)["deadlines"]["verifying"], 30)
            wait_for(lambda: [one["instance"] for one in site.verdicts()] == ["web-1"], "what was tried to be gone", 40)
            show = site.cli("deployments", "-o", "json")
            self.assertEqual({one["phase"] for one in json.loads(show.stdout)["items"]}, {"rolled_back"})

    def test_a_host_and_its_service_are_made_with_the_first_deployment_and_led_back(self):
        with Site() as site:
            one, two = site.demo("one"), site.demo("two")
            site.start("services: {}\n")
            wrong = site.cli("deploy", "web", "--host", "web.test", "--target", "127.0.0.1:1", "--timeout", "1s")
            self.assertEqual(wrong.returncode, 1, wrong.stderr)
            wait_for(lambda: site.traffic("web.test")[0] == 404, "nothing to be left", 40)
            self.assertEqual(site.cli("deploy", "web", "--host", "web.test", "--target", one.address).returncode, 0)
            self.assertIn("one", self.served(site))
            self.assertEqual(site.cli("deploy", "web", "--target", two.address).returncode, 0)
            self.assertIn("two", self.served(site))
            back = site.cli("rollback", "web")
            self.assertEqual(back.returncode, 0, back.stderr)
            self.assertIn("one", self.served(site))
            back = site.cli("rollback", "web", "--to", "3")
            self.assertEqual(back.returncode, 0, back.stderr)
            self.assertIn("two", self.served(site))

    def test_the_way_through_the_proxy_is_asked_before_users_take_it(self):
        """Right directly, wrong by the Host that users send: their requests never see it."""
        with Site() as site:
            first, second = site.demo("old"), site.demo("new")
            site.start("services:\n  web:\n    routes: [{host: web.test, path: /app}]\n"
                       f"    instances: [\"{first.address}\"]\n    check: {{http: /up, interval: 500ms}}\n")
            site.wait_state("web-1", "healthy")
            # The route leads /app there as it is, and the demo knows no such path.
            done = site.cli("deploy", "web", "--target", second.address, "--timeout", "2s")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("route_missing: through the proxy: ", done.stderr)

    def test_v14_a_daemon_killed_on_the_way_goes_on_after_its_start(self):
        with Site() as site:
            first, second = site.demo("old"), site.demo("new")
            config = CONFIG.format(first=first.address)
            site.start(config)
            site.wait_state("web-1", "healthy")
            second.mode("sick")
            begun = site.cli("deploy", "web", "--target", second.address, "--detach", "-o", "json")
            self.assertEqual(begun.returncode, 0, begun.stderr)
            deployment = json.loads(begun.stdout)["deployment"]
            wait_for(lambda: site.api(f"/api/v1/deployments/{deployment}")[1]["phase"] == "verifying", "verification", 10)
            site.stop(signal.SIGKILL)
            second.mode("ok")
            site.start()
            done = site.cli("deployments", "follow", deployment)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("new", self.served(site))
            # And one that nobody wants any more.
            second_try = site.demo("never")
            second_try.mode("sick")
            begun = json.loads(site.cli("deploy", "web", "--target", second_try.address, "--detach", "-o", "json").stdout)["deployment"]
            ended = site.cli("deployments", "abort", begun)
            self.assertEqual(ended.returncode, 1, ended.stderr)
            self.assertIn("aborted: ended by", ended.stderr)
            self.assertIn("new", self.served(site))


if __name__ == "__main__":
    unittest.main()
