"""Goal: Podman's Docker-compatible socket is an engine like any other: what is said of deployments, discovery and work by hand holds there.
Method: a real Podman of the test's own; versions that come, fail and come back; its service killed and started amid traffic."""

import json
import unittest

from harness import Site, wait_for
from containers import CONFIG, LATE, SERVED_AT_ONCE, EngineCase
from podman_engine import PodmanEngine
from successors import Load


class Podman(EngineCase):
    kind = PodmanEngine

    def test_versions_come_fail_and_come_back(self):
        self.image("mute:1", '["/bin/busybox", "sh", "-c", "echo nothing to serve; exec /bin/busybox sleep 600"]')
        with Site() as site:
            self.start(site)
            self.deploy(site)
            self.assertEqual(self.served(site), "web:1")
            with Load(site.where["http"], "web.test", rate=50, threads=SERVED_AT_ONCE) as load:
                self.deploy(site, "--image", "web:2")
                self.assertEqual(self.served(site), "web:2")
                failed = self.deploy(site, "--image", "mute:1", "--timeout", "2s", code=1)
                self.assertIn("not_ready: ", failed.stderr)
                self.assertIn("| nothing to serve", failed.stderr)
                self.assertEqual(self.served(site), "web:2")
                back = site.cli("rollback", "web", timeout=120)
                self.assertEqual(back.returncode, 0, back.stderr)
                self.assertIn("(started again)", back.stderr)
                self.assertEqual(self.served(site), "web:1")
            self.assertEqual(load.failed[:5], [])
            self.assertEqual(self.containers(), ["web-1-1"])
            shown = {one["name"]: one for one in json.loads(site.cli("ps", "--all", "-o", "json").stdout)["items"]}
            self.assertEqual(shown["web-1-1"]["state"], "running")
            ran = site.cli("exec", "web-1-1", "--", "/bin/busybox", "sh", "-c", "echo said; exit 7")
            self.assertEqual((ran.returncode, ran.stdout.strip()), (7, "said"), ran.stderr)

    def test_a_service_that_restarts_midway_costs_nothing(self):
        self.image("late:1", LATE)
        self.restarts_midway()

    def test_containers_are_found_by_their_labels_and_vanish_with_their_end(self):
        with Site() as site:
            site.start(CONFIG.format(engine=self.engine.socket, more="", check="").replace("docker: {", "docker: {discover: true, "))
            self.engine.docker("network", "create", "found")
            self.addCleanup(self.engine.docker, "network", "rm", "found")
            self.engine.docker("run", "-d", "--name", "found-1", "--network", "found", "--label", "hale.service=shop", "--label", "hale.host=shop.test", "--label", "hale.port=3000",
                               "--label", "hale.check.http=/up", "web:2")
            self.addCleanup(self.engine.docker, "rm", "-f", "found-1", good=None)
            wait_for(lambda: site.traffic("shop.test")[0] == 200, "its traffic", 20)
            self.engine.docker("rm", "-f", "found-1")
            wait_for(lambda: "found-1" not in site.cli("list", "-o", "json").stdout, "its end", 20)


if __name__ == "__main__":
    unittest.main()
