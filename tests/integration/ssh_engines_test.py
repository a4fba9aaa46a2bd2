"""Goal: containers are deployed to an engine behind ssh, and through a daemon behind ssh; what is wrong on the way is said in
ssh's own words, and no process of ssh stays.
Method: a real sshd of this test, on whose "host" the docker command speaks with a Docker Engine of this test; containers are
reached at the ports that they publish there."""

import json
import unittest

from containers import CONFIG, EngineCase
from harness import Site, free_port, wait_for
from ssh_test import Sshd, sessions

class SshEngines(EngineCase):
    def ok(self, site, *arguments, code=0, environment=None):
        done = site.cli(*arguments, timeout=180, environment=environment)
        self.assertEqual(done.returncode, code, f"{arguments}\n{done.stdout}{done.stderr}{site.log_text()[-2000:]}")
        return done

    def sshd(self, site):
        # Containers are reached at the name that ssh is given: one that everybody resolves.
        sshd = Sshd(site, f"DOCKER_HOST={self.engine.socket}", name="localhost")
        self.addCleanup(sshd.close)
        return sshd

    def test_containers_of_an_engine_behind_ssh(self):
        with Site() as site:
            sshd = self.sshd(site)
            site.start(CONFIG.format(engine=sshd.url(), more="", check=""))
            self.ok(site, "deploy", "web")
            self.assertEqual(self.served(site), "web:1")
            self.ok(site, "deploy", "web", "--image", "web:2")
            self.assertEqual(self.served(site), "web:2")
            items = json.loads(self.ok(site, "ps", "-o", "json").stdout)["items"]
            self.assertEqual([one["name"] for one in items], ["web-2-1"])
            self.assertEqual(self.ok(site, "exec", "web-2-1", "--", "/bin/busybox", "cat", "/www/index.html").stdout, "web:2\n")
            self.ok(site, "instance", "restart", "web-2-1", "--force")
            self.assertEqual(self.served(site), "web:2")
            # What follows the engine's containers stays, and asks beside that now and then.
            wait_for(lambda: len(sessions(sshd.port)) <= 2, "every other ssh to end", 30)
            # In ssh's own words.
            sshd.know("stranger")
            refused = self.ok(site, "ps", code=1)
            self.assertIn("Permission denied", refused.stderr)
            self.assertIn(sshd.url(), refused.stderr)
            failed = self.ok(site, "deploy", "web", code=1)
            self.assertIn("engine_unavailable: ", failed.stderr)
            self.assertIn("Permission denied", failed.stderr)
            self.assertEqual(self.served(site), "web:2", "traffic does not need it")
            sshd.know("client")
            self.ok(site, "ps")
            site.stop()
            wait_for(lambda: not sessions(sshd.port), "every ssh to end", 30)

    def test_nobody_there(self):
        with Site() as site:
            port = free_port()
            site.start(CONFIG.format(engine=f"ssh://nobody@127.0.0.1:{port}", more="", check=""))
            refused = self.ok(site, "ps", code=1)
            self.assertIn("Connection refused", refused.stderr)

    def test_a_daemon_behind_ssh_deploys(self):
        with Site() as site:
            sshd = self.sshd(site)
            site.start(CONFIG.format(engine=self.engine.socket, more="", check=""))
            through = {"HALE_SERVER": "", "HALE_TOKEN": ""}
            done = self.ok(site, "--server", sshd.url(), "deploy", "web", environment=through)
            self.assertIn("is done: users reach it", done.stderr)
            self.assertEqual(self.served(site), "web:1")
            self.assertEqual(self.ok(site, "--server", sshd.url(), "exec", "web-1-1", "--", "/bin/sh", "-c", "exit 3", code=3, environment=through).stdout, "")
            self.assertIn("web-1-1", self.ok(site, "--server", sshd.url(), "ps", environment=through).stdout)
            self.ok(site, "--server", sshd.url(), "logs", "web", environment=through)
            bad = self.ok(site, "--server", sshd.url(), "deploy", "web", "--image", "none.invalid/x:1", code=1, environment=through)
            self.assertIn("image_pull_failed", bad.stderr)
            wait_for(lambda: not sessions(sshd.port), "every ssh to end", 30)


if __name__ == "__main__":
    unittest.main()
