"""Goal: images come from a registry as an operator says, with a login and without; what the registry refuses is told in its own
words; and the record says exactly which image a name was.
Method: a real engine and real registries on loopback, one open and one with a login."""

import json
import os
import tempfile
import unittest

from harness import Site
from containers import CONFIG, EngineCase
from docker_registry import DockerRegistry

LOGIN = ("deployer", "it-is-a-secret-4711")


class DeployRegistry(EngineCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.open = DockerRegistry(os.path.join(cls.folder, "open")).start()
        cls.addClassCleanup(cls.open.end)
        cls.closed = DockerRegistry(os.path.join(cls.folder, "closed"), LOGIN).start()
        cls.addClassCleanup(cls.closed.end)

    def tearDown(self):
        super().tearDown()
        for image in self.engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split():
            if image.startswith("127.0.0.1:"):
                self.engine.docker("rmi", "-f", image)

    def login(self, password=LOGIN[1]):
        return f"registries: {{{{\"{self.closed.address}\": {{{{username: {LOGIN[0]}, password: \"{password}\"}}}}}}}}\n" + CONFIG

    def digest_of(self, image):
        return json.loads(self.engine.docker("inspect", image).stdout)[0]["RepoDigests"]

    def test_an_image_is_pulled_and_the_record_says_which_it_was(self):
        image = self.open.publish(self.engine, "web:2", "team/web:7")
        with Site() as site:
            self.start(site)
            done = self.deploy(site, "--image", image)
            self.assertIn("pulling", done.stderr)
            self.assertEqual(self.served(site), "web:2")
            record = self.last_record(site)
            self.assertEqual(record["image"], image)
            self.assertEqual([record["digest"]], self.digest_of(image))
            self.assertRegex(record["digest"], rf"^{self.open.address}/team/web@sha256:[0-9a-f]{{64}}$")
            self.assertIn(record["digest"], site.cli("deployments", "show", record["id"]).stderr)
            # The same again, now by what the record says: no name can mean something else meanwhile.
            self.deploy(site, "--image", record["digest"])
            self.assertEqual(self.last_record(site)["digest"], record["digest"])

    def test_how_far_a_pull_is_can_be_seen(self):
        context = tempfile.mkdtemp(dir=self.folder)
        with open(os.path.join(context, "bulk"), "wb") as bulk:
            bulk.write(os.urandom(64 << 20))
        with open(os.path.join(context, "Dockerfile"), "w") as out:
            out.write("FROM web:2\nCOPY bulk /bulk\n")
        self.engine.docker("build", "-q", "-t", "bulk:1", context)
        image = self.open.publish(self.engine, "bulk:1", "team/bulk:1")
        self.engine.docker("rmi", "-f", "bulk:1")
        with Site() as site:
            self.start(site)
            done = self.deploy(site, "--image", image, "-o", "jsonl")
            told = [json.loads(line) for line in done.stdout.splitlines()]
            far = [one["doing"] for one in told if one["doing"]]
            self.assertTrue(far, done.stdout[-2000:])
            for one in far:
                self.assertRegex(one, rf"^{image}: [0-9]+ of [0-9]+ layers(, [0-9.]+ of 6[0-9.]+ MiB)?$")
            self.assertEqual({one["phase"] for one in told if one["doing"]}, {"pulling"})
            self.assertEqual((told[-1]["phase"], told[-1]["doing"]), ("done", None))

    def test_with_a_login_and_with_a_wrong_one(self):
        image = self.closed.publish(self.engine, "web:2", "team/web:8")
        with Site() as site:
            self.start(site, config=self.login())
            self.deploy(site, "--image", image)
            self.assertEqual(self.served(site), "web:2")
        self.tearDown()
        for config, says in ((self.login("wrong"), "unauthorized"), (CONFIG, "no basic auth credentials")):
            with Site() as site:
                self.start(site, config=config)
                done = self.deploy(site, "--image", image, code=1)
                self.assertIn("image_pull_failed: ", done.stderr)
                self.assertIn(says, done.stderr)
                fault = self.last_record(site)["fault"]
                self.assertEqual(fault["code"], "image_pull_failed")
                self.assertTrue(fault["retryable"])
                self.assertNotIn(LOGIN[1], done.stderr + site.log_text() + site.api_text("/api/v1/deployments"))

    def test_what_the_registry_does_not_have(self):
        image = self.open.publish(self.engine, "web:2", "team/web:9")
        with Site() as site:
            self.start(site)
            for name, says in ((image.replace(":9", ":nothing"), "manifest unknown"), (f"{self.open.address}/team/other:1", "not found"), ("127.0.0.1:1/team/web:9", "connection refused")):
                with self.subTest(name=name):
                    done = self.deploy(site, "--image", name, code=1)
                    self.assertIn("image_pull_failed: ", done.stderr)
                    self.assertIn(says, done.stderr)
                    self.assertEqual(self.containers("-a"), [])


if __name__ == "__main__":
    unittest.main()
