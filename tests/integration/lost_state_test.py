"""Goal: a Hale that lost its state, or was installed anew, finds what it deployed by the containers' labels: users are served again
without anybody's doing, the next deployment takes the place of what serves, and neither names nor numbers get in each other's way.
Method: a real engine; services and an application are deployed, the daemon stops, its state is removed, and another one starts."""

import json
import os
import shutil
import unittest

from applications_test import COMPOSE
from containers import SERVED_AT_ONCE, EngineCase
from harness import Site, wait_for
from successors import Load


class LostState(EngineCase):
    def lose_state(self, site):
        site.stop()
        shutil.rmtree(site.state)
        site.start()

    def instances(self, site):
        return {one["instance"]: one["state"] for one in site.verdicts()}

    def test_what_serves_is_found_and_the_next_deployment_takes_its_place(self):
        with Site() as site:
            self.start(site, ", replicas: 2, retain: 1")
            self.deploy(site, "--env", "A=1")
            self.deploy(site, "--env", "A=2")
            scaled = site.cli("scale", "web", "3", timeout=60)
            self.assertEqual(scaled.returncode, 0, scaled.stderr)
            serving = ["web-2-1", "web-2-2", "web-3-3"]
            self.assertEqual(self.containers(), serving)
            self.lose_state(site)
            wait_for(lambda: self.instances(site) == dict.fromkeys(serving, "healthy"), "what serves to be found", 20)
            self.assertEqual(self.served(site), "web:1")
            self.assertEqual(self.containers(), serving, "nothing was stopped or made")
            told = json.loads(site.cli("ps", "web", "-o", "json").stdout)["items"]
            self.assertEqual({one["name"]: one["number"] for one in told}, {"web-2-1": 2, "web-2-2": 2, "web-3-3": 3})
            with Load(site.where["http"], "web.test", rate=100, threads=SERVED_AT_ONCE) as load:
                done = self.deploy(site, "--image", "web:2")
                self.assertEqual(self.containers(), ["web-4-1", "web-4-2"], done.stderr)
                self.assertEqual(self.served(site), "web:2")
            self.assertEqual(load.failed[:5], [])
            self.assertGreater(load.answered, 50)
            # Another start, with the state of now: an earlier version that somebody started is not taken up again.
            site.stop()
            self.engine.docker("start", "web-3-3")
            site.start()
            wait_for(lambda: "following 3 containers" in site.log_text(), "the containers to be looked at", 20)
            wait_for(lambda: self.instances(site) == {"web-4-1": "healthy", "web-4-2": "healthy"}, "those of the last deployment", 20)
            self.assertEqual(site.cli("instance", "stop", "web-4-1", timeout=60).returncode, 0)
            self.assertEqual(self.served(site), "web:2", "and nobody is routed to it")

    def test_one_that_no_file_makes_deployable_is_found_by_its_next_deployment(self):
        with Site() as site:
            config = 'docker: {{host: "{engine}"}}\nservices:\n  web: {{hosts: [web.test], check: {{http: /up, interval: 1s}}}}\n'
            self.start(site, config=config)
            self.deploy(site, "--image", "web:1")
            self.lose_state(site)
            self.assertEqual(self.served(site), 503)
            planned = site.cli("deploy", "web", "--image", "web:2", "--dry-run")
            self.assertIn("web-2-1", planned.stderr)
            self.deploy(site, "--image", "web:2")
            self.assertEqual(self.containers(), ["web-2-1"])
            self.assertEqual(self.containers("-a"), ["web-1-1", "web-2-1"], "the former is kept, as any earlier version")
            self.assertEqual(self.served(site), "web:2")

    def test_v20_an_application_is_brought_anew_beside_what_is_left_of_it(self):
        with Site() as site:
            site.start(f'docker: {{host: "{self.engine.socket}"}}\ndrain_timeout: 5s\nservices: {{}}\n')
            path = os.path.join(site.folder, "compose.yml")
            with open(path, "w") as out:
                out.write(COMPOSE.format(more="", prepare="exit 0", level="1").replace("shop:1", "web:1"))

            def bring(web):
                done = site.cli("deploy", "shop", "--compose", path, "--env", f"WEB={web}", timeout=180)
                self.assertEqual(done.returncode, 0, done.stderr)
                status, _, body = site.traffic("shop.test")
                return body.decode().strip() if status == 200 else status

            self.assertEqual(bring("web:1"), "web:1")
            store = self.engine.docker("inspect", "-f", "{{.Id}}", "shop-store-1-1").stdout
            self.lose_state(site)
            self.assertEqual(bring("web:2"), "web:2")
            self.assertEqual(self.containers(), ["shop-store-1-1", "shop-web-2-1", "shop-web-2-2"])
            self.assertEqual(self.engine.docker("inspect", "-f", "{{.Id}}", "shop-store-1-1").stdout, store, "what writes the volume goes on")


if __name__ == "__main__":
    unittest.main()
