"""Goal: `hale deploy --image` replaces containers on a real engine without a lost request, and what is wrong with an image, its
container or its answers is named and changes nothing.
Method: a Docker Engine of this test's own; images of a few files around busybox; each way a new version can be wrong."""

import json
import signal
import time
import unittest

from containers import CONFIG, LATE, SERVED_AT_ONCE, EngineCase
from harness import Site, free_port, wait_for
from successors import Load

HEALTH = 'HEALTHCHECK --interval=300ms --timeout=2s --retries=3 CMD ["/bin/busybox", "{probe}"]\n'


class DeployContainers(EngineCase):
    def test_v20_versions_replace_each_other_under_load_and_old_ones_are_kept_stopped(self):
        with Site() as site:
            self.start(site, ", replicas: 2, retain: 1")
            first = self.deploy(site)
            self.assertIn("is done: users reach it", first.stderr)
            self.assertEqual(self.served(site), "web:1")
            self.assertEqual(self.containers(), ["web-1-1", "web-1-2"])
            took = []
            with Load(site.where["http"], "web.test", rate=200, threads=SERVED_AT_ONCE) as load:
                for n in range(2, 8):
                    began = time.monotonic()
                    self.deploy(site, "--image", f"web:{2 - n % 2}", "--replicas", "2")
                    took.append(time.monotonic() - began)
                    self.assertEqual(self.served(site), f"web:{2 - n % 2}")
            self.assertEqual(load.failed[:5], [])
            self.assertGreater(load.answered, 300)
            self.assertEqual(self.containers(), ["web-7-1", "web-7-2"])
            self.assertEqual(self.containers("-a"), ["web-6-1", "web-6-2", "web-7-1", "web-7-2"], "one version is retained, stopped")
            labels = json.loads(self.engine.docker("inspect", "web-7-1").stdout)[0]["Config"]["Labels"]
            self.assertEqual((labels["hale.service"], labels["hale.port"]), ("web", "3000"))
            back = site.cli("rollback", "web", timeout=120)
            self.assertEqual(back.returncode, 0, back.stderr)
            self.assertEqual(self.served(site), "web:2")
            print(f"{len(took)} deployments of 2 containers, {load.answered} requests, {len(load.failed)} failed; median {sorted(took)[len(took) // 2]:.2f} s")

    def test_earlier_versions_are_kept_and_any_of_them_is_gone_back_to(self):
        def word(name):
            return [one for one in json.loads(self.engine.docker("inspect", name).stdout)[0]["Config"]["Env"] if one.startswith("N=")]

        with Site() as site:
            self.start(site)
            for n in range(1, 8):
                self.deploy(site, "--env", f"N={n}")
            self.assertEqual(self.containers("-a"), [f"web-{n}-1" for n in range(2, 8)], "the one that serves, and five before it")
            back = site.cli("rollback", "web", "--to", "3", timeout=120)
            self.assertEqual(back.returncode, 0, back.stderr)
            self.assertIn("(started again)", back.stderr)
            self.assertEqual(self.containers(), ["web-3-1"])
            self.assertEqual(word("web-3-1"), ["N=3"])
            anew = site.cli("rollback", "web", "--to", "1", timeout=120)
            self.assertEqual(anew.returncode, 0, anew.stderr)
            self.assertEqual(self.containers(), ["web-9-1"], "the first one's container is no more: one is made as it was")
            self.assertEqual(word("web-9-1"), ["N=1"])
            none = site.cli("rollback", "web", "--to", "70")
            self.assertEqual(none.returncode, 3)
            self.assertIn('no deployment "70" of "web"', none.stderr)

    def test_an_end_that_says_enough_is_not_waited_out(self):
        self.image("exits:2", '["/bin/busybox", "sh", "-c", "/bin/busybox sleep 0.5; echo no database; exit 7"]')
        self.image("eats:1", '["/bin/busybox", "sh", "-c", "/bin/busybox sleep 0.5; exec /bin/busybox tail /dev/zero"]')
        with Site() as site:
            self.start(site)
            self.deploy(site)
            for said, fault, says in (({"image": "exits:2", "restart": "no"}, "container_exited", "ended with exit code 7"), ({"image": "exits:2"}, "crash_loop", "ended 3 times, the last time with exit code 7"),
                                      ({"image": "eats:1", "restart": "no", "memory": "16MiB"}, "container_oom", "ran out of memory")):
                with self.subTest(fault=fault):
                    begun = site.api("/api/v1/services/web:deploy", "POST", {"deploy": said, "timeout": "10m"})[1]["deployment"]
                    self.assertEqual(site.cli("deployments", "follow", begun, timeout=120).returncode, 1)
                    record = site.api(f"/api/v1/deployments/{begun}")[1]
                    self.assertEqual(record["fault"]["code"], fault, record["fault"])
                    self.assertIn(says, record["fault"]["text"])
                    self.assertLess(record["seconds"], 60, "of the ten minutes that it was given")
                    self.assertEqual(self.served(site), "web:1")

    def test_what_is_wrong_is_named_and_the_old_version_serves_on(self):
        with Site() as site:
            self.start(site)
            self.deploy(site)
            self.image("exits:1", '["/bin/busybox", "sh", "-c", "echo it is broken; exit 7"]')
            self.image("local:1", '["/bin/busybox", "httpd", "-f", "-p", "127.0.0.1:3000", "-h", "/www"]')
            self.image("nothere:1", '["/bin/nothing"]')
            self.image("noup:1", up=False)
            self.image("sick:1", more=HEALTH.format(probe="false"))
            self.image("ports:1", more="EXPOSE 4000\n")
            cases = [
                (["--image", "nowhere.invalid/x:1"], "image_pull_failed", "nowhere.invalid"),
                (["--image", "nothere:1"], "start_failed", "/bin/nothing"),
                (["--image", "local:1", "--timeout", "3s"], "not_ready", "connect refused"),
                (["--image", "noup:1", "--timeout", "3s"], "not_ready", "404"),
                (["--image", "sick:1", "--timeout", "4s"], "container_unhealthy", "is unhealthy"),
                (["--image", "ports:1"], "preflight_failed", "exposes the ports 3000, 4000"),
            ]
            for arguments, code, says in cases:
                with self.subTest(code=code, arguments=arguments):
                    done = self.deploy(site, *arguments, code=1)
                    self.assertIn(f"{code}: ", done.stderr)
                    self.assertIn(says, done.stderr)
                    self.assertEqual(self.served(site), "web:1")
                    self.assertEqual(self.containers("-a"), ["web-1-1"], "nothing is left")
            exits = self.deploy(site, "--image", "exits:1", code=1)
            self.assertRegex(exits.stderr, "container_exited|crash_loop|start_failed")
            self.assertIn("| it is broken", exits.stderr)
            # Somebody else's container of the name that is next is not touched.
            self.engine.docker("run", "-d", "--network", "none", "--name", "web-9-1", "web:1")
            taken = self.deploy(site, code=1)
            self.assertIn("create_failed: a container named web-9-1 is there already", taken.stderr)
            self.assertIn("web-9-1", self.containers())
            self.engine.docker("rm", "-f", "web-9-1")

    def test_a_containers_own_health_and_the_direct_question_are_both_waited_for(self):
        self.image("slow:1", more=HEALTH.format(probe="true"))
        with Site() as site:
            self.start(site)
            self.deploy(site)
            done = self.deploy(site, "--image", "slow:1")
            self.assertIn("itself: ", done.stderr)
            self.assertEqual(self.served(site), "slow:1")
            record = json.loads(site.cli("deployments", "-o", "json").stdout)["items"][0]
            self.assertEqual((record["instances"][0]["container"], record["instances"][0]["direct"], record["proxy"]), ("pass", "pass", "pass"))

    def test_without_an_engine_it_is_refused_and_traffic_goes_on(self):
        with Site() as site:
            demo = site.demo()
            site.start(f"docker: {{host: \"unix://{site.folder}/none.sock\"}}\nservices: {{web: {{hosts: [web.test], instances: [\"{demo.address}\"], check: {{http: /up}}, deploy: {{image: \"web:1\"}}}}}}\n")
            site.wait_state("web-1", "healthy")
            done = self.deploy(site, code=1)
            self.assertIn("engine_unavailable: ", done.stderr)
            self.assertIn("none.sock", done.stderr)
            self.assertEqual(site.traffic("web.test", "/up")[0], 200)

    def test_v14_a_daemon_killed_on_the_way_goes_on_with_its_containers(self):
        self.image("late:1", LATE)
        with Site() as site:
            self.start(site)
            self.deploy(site)
            begun = json.loads(self.deploy(site, "--image", "late:1", "--detach", "-o", "json").stdout)["deployment"]
            wait_for(lambda: "web-2-1" in self.containers(), "its container", 20)
            site.stop(signal.SIGKILL)
            site.start()
            self.engine.docker("exec", "web-2-1", "/bin/busybox", "touch", "/go")
            done = site.cli("deployments", "follow", begun, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.served(site), "late:1")
            self.assertEqual(self.containers(), ["web-2-1"])


class EngineByTcp(EngineCase):
    """Its containers are reached at the ports that they publish."""

    versions = ("web:1", "web:2")

    @classmethod
    def setUpClass(cls):
        cls.tcp = f"127.0.0.1:{free_port()}"
        cls.options = ("--host", f"tcp://{cls.tcp}")
        super().setUpClass()

    def test_an_engine_is_spoken_with_by_tcp(self):
        with Site() as site:
            site.start(CONFIG.format(engine=f"tcp://{self.tcp}", more="", check=""))
            self.deploy(site)
            self.assertEqual(self.served(site), "web:1")
            target = self.last_record(site)["instances"][0]["target"]
            self.assertRegex(target, r"^127\.0\.0\.1:\d+$")
            self.assertNotEqual(target, "127.0.0.1:3000", "the port that is published, not the container's own")
            self.deploy(site, "--image", "web:2")
            self.assertEqual(self.served(site), "web:2")
            ran = site.cli("exec", "web-2-1", "--", "/bin/busybox", "cat", "/www/index.html")
            self.assertEqual((ran.returncode, ran.stdout), (0, "web:2\n"))
            self.assertEqual([one["name"] for one in json.loads(site.cli("ps", "-o", "json").stdout)["items"]], ["web-2-1"])
            failed = self.deploy(site, "--image", "nowhere.invalid/x:1", code=1)
            self.assertIn("image_pull_failed", failed.stderr)


if __name__ == "__main__":
    unittest.main()
