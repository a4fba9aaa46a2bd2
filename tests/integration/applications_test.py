"""Goal: the containers of a compose file are brought, verified and switched to as one, in the order they wait for each other;
what is unchanged stays; whatever is wrong with one of them leaves all as they were; the way back is one command.
Method: a real engine, an application of a store, a one-shot container and two services behind one host; each part changed or
broken in turn, under load."""

import json
import os
import signal
import unittest

from containers import SERVED_AT_ONCE, EngineCase
from harness import Site, wait_for
from successors import Load

COMPOSE = """name: shop
services:
  store:
    image: shop:1
    command: [/bin/busybox, sh, -c, "touch /ready; exec /bin/busybox sleep 100000"]
    healthcheck: {{test: [CMD, /bin/busybox, test, -e, /ready], interval: 300ms, retries: 3}}
    volumes: ["data:/data"]
    environment: {{LEVEL: "{level}"}}
    stop_grace_period: 1s
  prepare:
    image: shop:1
    command: [/bin/busybox, sh, -c, "{prepare}"]
    depends_on: {{store: {{condition: service_healthy}}}}
  web:
    image: ${{WEB}}
    depends_on: {{prepare: {{condition: service_completed_successfully}}}}
    stop_grace_period: 1s
    deploy: {{replicas: 2}}
    x-hale: {{host: shop.test, port: 3000, check: {{http: /up, interval: 1s}}}}
{more}volumes:
  data:
"""
API = """  api:
    image: api:1
    stop_grace_period: 1s
    x-hale: {host: shop.test, path: /api, strip: true, port: 3000, check: {http: /up, interval: 1s}}
"""


class Applications(EngineCase):
    versions = ("shop:1", "shop:2", "api:1")

    def begin(self, site):
        site.start(f'docker: {{host: "{self.engine.socket}"}}\ndrain_timeout: 5s\nservices: {{}}\n')

    def file(self, site, more="", prepare="exit 0", level="1"):
        path = os.path.join(site.folder, "compose.yml")
        with open(path, "w") as out:
            out.write(COMPOSE.format(more=more, prepare=prepare, level=level))
        return path

    def bring(self, site, *arguments, web="shop:1", code=0, **file):
        done = site.cli("deploy", "shop", "--compose", self.file(site, **file), "--env", f"WEB={web}", *arguments, timeout=180)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def reached(self, site, path="/"):
        status, _, body = site.traffic("shop.test", path)
        return body.decode().strip() if status == 200 else status

    def test_v20_all_of_it_or_none_and_what_is_unchanged_stays(self):
        with Site() as site:
            self.begin(site)
            first = self.bring(site)
            self.assertIn("is done: users reach it", first.stderr)
            self.assertEqual(self.reached(site), "shop:1")
            self.assertEqual(self.containers(), ["shop-store-1-1", "shop-web-1-1", "shop-web-1-2"])
            self.assertEqual({one["instance"] for one in json.loads(site.cli("list", "-o", "json").stdout)["items"]}, {"shop-web-1-1", "shop-web-1-2"})
            with Load(site.where["http"], "shop.test", rate=100, threads=SERVED_AT_ONCE) as load:
                # Another service of it: its route comes with the switch, and who serves unchanged stays.
                second = self.bring(site, more=API)
                self.assertIn("shop-web-1-1", second.stderr)
                self.assertIn("(stays as it is)", second.stderr)
                self.assertEqual(self.reached(site, "/api/"), "api:1")
                self.assertEqual(self.containers(), ["shop-api-2-1", "shop-store-1-1", "shop-web-1-1", "shop-web-1-2"])
                # Another version of one of them.
                self.bring(site, more=API, web="shop:2")
                self.assertEqual(self.reached(site), "shop:2")
                self.assertEqual(self.containers(), ["shop-api-2-1", "shop-store-1-1", "shop-web-3-1", "shop-web-3-2"])
                # What is wrong with the smallest part changes nothing of any.
                failed = self.bring(site, more=API, web="shop:1", prepare="echo no such table; exit 4", code=1)
                self.assertIn("one_shot_failed: ", failed.stderr)
                self.assertIn("| no such table", failed.stderr)
                self.assertEqual(self.reached(site), "shop:2")
                self.assertEqual(self.containers(), ["shop-api-2-1", "shop-store-1-1", "shop-web-3-1", "shop-web-3-2"])
                # Back: the containers of before are there still, stopped.
                back = site.cli("rollback", "shop", timeout=180)
                self.assertEqual(back.returncode, 0, back.stderr)
                self.assertIn("(started again)", back.stderr)
                self.assertEqual(self.reached(site), "shop:1")
                self.assertEqual(self.containers(), ["shop-api-2-1", "shop-store-1-1", "shop-web-1-1", "shop-web-1-2"])
                # New ones of all, because somebody wants that.
                self.bring(site, "--force", more=API)
                self.assertEqual(self.reached(site), "shop:1")
                self.assertEqual(self.containers(), ["shop-api-6-1", "shop-store-1-1", "shop-web-6-1", "shop-web-6-2"])
                # What the file has no more leaves, with its route.
                self.bring(site)
                self.assertEqual(self.reached(site, "/api/"), 404, "the web's own answer to that path")
                self.assertEqual(self.containers(), ["shop-store-1-1", "shop-web-6-1", "shop-web-6-2"])
            self.assertEqual(load.failed[:5], [])
            self.assertGreater(load.answered, 200)
            # Each of them can be gone through again.
            for one in json.loads(site.cli("deployments", "-o", "json").stdout)["items"]:
                again = site.cli("deployments", "replay", one["id"], "-o", "json")
                self.assertEqual(again.returncode, 0, again.stdout + again.stderr)
                self.assertEqual(json.loads(again.stdout)["end"]["phase"], one["phase"])

    def test_what_writes_one_volume_is_not_run_twice(self):
        with Site() as site:
            self.begin(site)
            self.bring(site)
            refused = self.bring(site, level="2", code=1)
            self.assertIn("shop-store writes volume shop_data, and so does shop-store-1-1", refused.stderr)
            self.engine.docker("stop", "-t", "1", "shop-store-1-1")
            self.bring(site, level="2")
            self.assertEqual(self.containers(), ["shop-store-3-1", "shop-web-1-1", "shop-web-1-2"])

    def test_what_is_wrong_with_the_file_is_said_by_its_place(self):
        with Site() as site:
            self.begin(site)
            for more, says in ((API.replace("image:", "imag:"), "compose.yml:"), (API.replace("http: /up", 'http: "/${NOT_SET}"'), "variable NOT_SET is not set"),
                               (API.replace("image: api:1", "image: api:1\n    build: ."), "build"),
                               ("  jobs: {image: shop:1}\n", "nothing verifies container jobs"), (API.replace("image: api:1", "image: api:1\n    volumes: [\"/etc:/etc\"]"), "volumes")):
                with self.subTest(says=says):
                    done = site.cli("deploy", "shop", "--compose", self.file(site, more=more), "--env", "WEB=shop:1", timeout=120)
                    self.assertNotEqual(done.returncode, 0)
                    self.assertIn(says, done.stderr)
            self.assertEqual(self.containers("-a"), [])
            self.assertEqual(site.cli("deploy", "shop", "--compose", "/nowhere.yml").returncode, 2)
            dry = self.bring(site, "--dry-run", more=API)
            self.assertIn("shop-api-", dry.stderr)
            self.assertEqual(self.containers("-a"), [])

    def test_v14_a_daemon_killed_on_the_way_goes_on_with_all_of_it(self):
        with Site() as site:
            self.begin(site)
            self.bring(site)
            begun = json.loads(self.bring(site, "--detach", "-o", "json", more=API, web="shop:2", prepare="until [ -e /go ]; do /bin/busybox usleep 100000; done").stdout)["deployment"]
            wait_for(lambda: "shop-prepare-2-1" in self.containers(), "the one-shot container", 20)
            site.stop(signal.SIGKILL)
            site.start()
            self.assertEqual(self.reached(site), "shop:1")
            self.engine.docker("exec", "shop-prepare-2-1", "/bin/busybox", "touch", "/go")
            done = site.cli("deployments", "follow", begun, timeout=180)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual((self.reached(site), self.reached(site, "/api/")), ("shop:2", "api:1"))

    def test_containers_of_one_service_are_scaled(self):
        self.image("web:1")
        with Site() as site:
            self.start(site)
            self.deploy(site)
            for count, names in ((3, ["web-1-1", "web-2-2", "web-2-3"]), (1, ["web-1-1"])):
                done = site.cli("scale", "web", str(count), timeout=120)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(self.containers(), names)
                self.assertEqual(self.served(site), "web:1")
            self.assertEqual(site.cli("scale", "web", "0").returncode, 2)
            self.assertEqual(site.cli("scale", "nobody", "2").returncode, 3)


if __name__ == "__main__":
    unittest.main()
