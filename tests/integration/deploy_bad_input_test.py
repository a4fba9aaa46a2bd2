"""Goal: each way in which a deployment can be wrong has a name, a sentence that says what to do, and leaves users where they were.
Method: a real engine; images that answer wrongly, listen wrongly, lack what they need; an engine that is away, restarts or has no
room; the record of a failure is compared with what it promises to tell."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from harness import HALE, Site, wait_for
from containers import LATE, SERVER, EngineCase
from docker_engine import DockerEngine, run
from docker_registry import DockerRegistry


class DeployBadInput(EngineCase):
    def wrong(self, site, *arguments, code, says, retryable):
        """A deployment that must fail so, with the first version before users all the time."""
        done = self.deploy(site, *arguments, code=1)
        record = self.last_record(site)
        self.assertEqual((record["fault"]["code"], record["fault"]["retryable"]), (code, retryable), done.stderr)
        for one in says:
            self.assertIn(one, done.stderr)
        self.assertEqual(self.served(site), "web:1")
        self.assertEqual(self.containers("-a"), ["web-1-1"], "nothing is left")
        return record

    def test_each_wrong_answer_has_its_own_hint(self):
        answers = {
            301: ("Location: /login\\r\\n", "is a redirect to be accepted or followed?"),
            400: ("", "list of allowed hosts"),
            401: ("", "choose a path that is open, or expect 401"),
            403: ("", "list of allowed hosts"),
            404: ("", "is the path right"),
            500: ("", "answered 500"),
        }
        with Site() as site:
            self.start(site)
            self.deploy(site)
            for status, (headers, hint) in answers.items():
                with self.subTest(status=status):
                    self.answering(f"answers:{status}", status, headers)
                    self.wrong(site, "--image", f"answers:{status}", "--timeout", "2s", code="not_ready", says=[str(status), hint], retryable=True)

    def test_a_port_where_nobody_listens_and_an_application_for_itself_alone(self):
        with Site() as site:
            self.start(site)
            self.deploy(site)
            self.image("other:1", SERVER.replace("3000", "3999"))
            self.image("local:1", SERVER.replace("3000", "127.0.0.1:3000"))
            for image in ("other:1", "local:1"):
                with self.subTest(image=image):
                    self.wrong(site, "--image", image, "--timeout", "2s", code="not_ready", says=["connect refused", "not on 127.0.0.1 alone, and on the port"], retryable=True)

    def test_a_failure_tells_all_that_there_is_to_know(self):
        self.image("talks:1", '["/bin/busybox", "sh", "-c", "for n in $(/bin/busybox seq 80); do echo line $n; done; exec /bin/busybox httpd -f -p 3000 -h /www"]', up=False)
        with Site() as site:
            self.start(site)
            self.deploy(site)
            record = self.wrong(site, "--image", "talks:1", "--timeout", "4s", code="not_ready", says=["line 80"], retryable=True)
            fault, one = record["fault"], record["instances"][0]
            self.assertEqual((fault["phase"], fault["budget"]), ("verifying", 4.0))
            self.assertTrue(4.0 <= fault["elapsed"] < 6.0, fault)
            self.assertTrue(fault["try"] and fault["means"] and "404" in fault["text"], fault)
            self.assertEqual((one["host"], one["path"]), ("web.test", "/up"))
            self.assertRegex(one["address"], r"^\d+\.\d+\.\d+\.\d+:3000$")
            self.assertEqual(len(one["observations"]), 5)
            for seen in one["observations"]:
                self.assertIn(f"GET http://{one['address']}/up: answered 404", seen)
            self.assertEqual(one["log"], [f"line {n}" for n in range(31, 81)])
            told = site.cli("deployments", "show", record["id"]).stderr
            self.assertIn(f"web-2-1 was asked at {one['address']} for /up, Host web.test", told)
            self.assertIn("in verifying, after 4.", told)
            self.assertIn("of the 4.0 s that it may take", told)

    def test_health_checks_and_environments_that_lack_something(self):
        self.image("unchecked:1", more='HEALTHCHECK --interval=200ms --retries=2 CMD ["/bin/no-such-check"]\n')
        with Site() as site:
            self.start(site)
            self.deploy(site)
            self.wrong(site, "--image", "unchecked:1", "--timeout", "4s", code="container_unhealthy", says=["is unhealthy", "/bin/no-such-check"], retryable=True)
            self.start_again(site, ", required_env: [DATABASE_URL, MAIL_FROM], env: {MAIL_FROM: a@b.test}")
            self.wrong(site, code="preflight_failed", says=["what it needs of its environment is not set: DATABASE_URL"], retryable=False)
            self.deploy(site, "--env", "DATABASE_URL=postgres://db", "--env", "MAIL_FROM=a@b.test")
            self.assertIn("DATABASE_URL=postgres://db", json.loads(self.engine.docker("inspect", "web-4-1").stdout)[0]["Config"]["Env"])

    def start_again(self, site, more):
        site.stop()
        self.start(site, more)

    def test_a_secret_whose_file_is_gone_is_named_and_nothing_starts(self):
        with Site() as site:
            secret = os.path.join(site.folder, "database-url")
            with open(secret, "w") as out:
                out.write("postgres://user:topsecret@db/1\n")
            self.start(site, f", secrets: {{DATABASE_URL: 'file:{secret}'}}")
            self.deploy(site)
            self.assertIn("DATABASE_URL=postgres://user:topsecret@db/1", json.loads(self.engine.docker("inspect", "web-1-1").stdout)[0]["Config"]["Env"])
            self.assertNotIn("topsecret", site.log_text() + site.api_text("/api/v1/deployments") + site.api_text("/api/v1/config"))
            os.remove(secret)
            refused = site.cli("config", "check", "--config", site.config_path)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn(secret, refused.stdout + refused.stderr)
            status, answer = site.api("/api/v1/services/web:deploy", "POST", {"deploy": {"secrets": {"OTHER": f"file:{secret}"}}}, ok=False)
            self.assertEqual((status, answer["detail"]), (400, "api: secrets.OTHER: secrets by reference are for the configuration file alone"))
            self.assertEqual(self.containers("-a"), ["web-1-1"])

    def test_somebody_elses_container_is_never_touched(self):
        with Site() as site:
            self.start(site)
            self.deploy(site)
            made = ["--label", "hale.service=web", "--label", "hale.deployment=d-elsewhere"]
            for n, labels in ((2, []), (3, made), (4, [*made, "--label", "hale.home=/var/lib/another"])):
                with self.subTest(labels=labels):
                    theirs = self.engine.docker("run", "-d", "--network", "none", *labels, "--name", f"web-{n}-1", "web:2").stdout.strip()
                    done = self.deploy(site, code=1)
                    self.assertIn(f"create_failed: a container named web-{n}-1 is there already", done.stderr)
                    there = json.loads(self.engine.docker("inspect", f"web-{n}-1").stdout)[0]
                    self.assertEqual((there["Id"], there["State"]["Status"]), (theirs, "running"))
                    self.engine.docker("rm", "-f", theirs)
            # Of another Hale on the same engine nothing is retired, whatever it is called.
            theirs = self.engine.docker("run", "-d", "--network", "none", *made, "--label", "hale.home=/var/lib/another", "--name", "web-a", "web:2").stdout.strip()
            for _ in range(2):
                self.deploy(site, "--image", "web:2")
                self.assertIn("web-a", self.containers())
            # What this one made before it lost its records is retired, and not at once removed.
            self.engine.docker("run", "-d", "--network", "none", *made, "--label", f"hale.home={site.state}", "--name", "web-b", "web:1")
            self.deploy(site)
            self.assertNotIn("web-b", self.containers())
            self.assertIn("web-b", self.containers("-a"))
            self.engine.docker("rm", "-f", theirs)

    def test_of_a_long_log_the_end_is_kept(self):
        self.image("long:1", '["/bin/busybox", "sh", "-c", "i=0; while [ $i -lt 60 ]; do i=$((i+1)); /bin/busybox printf \'%d %01500d\\\\n\' $i 0; done; echo the last word; exit 3"]')
        with Site() as site:
            self.start(site)
            self.deploy(site, "--image", "long:1", code=1)
            log = self.last_record(site)["instances"][0]["log"]
            self.assertEqual(log[-1], "the last word")
            self.assertLessEqual(len(log), 50)
            self.assertGreater(len(log), 10)

    def test_the_newer_of_two_takes_its_place(self):
        self.image("late:1", LATE)
        with Site() as site:
            self.start(site)
            self.deploy(site)
            older = self.begin(site, "--image", "late:1")
            wait_for(lambda: "web-2-1" in self.containers(), "its container", 20)
            self.deploy(site, "--image", "web:2")
            self.assertEqual(self.served(site), "web:2")
            out = older.communicate(timeout=60)[0]
            self.assertEqual(older.returncode, 1, out)
            self.assertIn("superseded: a newer deployment was asked for by", out)
            self.assertEqual(self.containers(), ["web-3-1"])

    def begin(self, site, *arguments):
        return subprocess.Popen([HALE, "deploy", "web", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
                                env={**os.environ, "HALE_SERVER": site.where["admin"], "HALE_TOKEN": site.token, "NO_COLOR": "1"})

    def test_what_the_machine_lacks_is_said_before_anything_is_touched(self):
        with Site() as site:
            taken = socket.create_server(("127.0.0.1", 0))
            self.addCleanup(taken.close)
            port = taken.getsockname()[1]
            self.start(site, f", ports: ['127.0.0.1:{port}:3000']")
            done = self.deploy(site, code=1)
            self.assertIn(f"preflight_failed: port {port} of the host is taken by a process of this machine", done.stderr)
            self.start_again(site, ", memory: 900GiB")
            done = self.deploy(site, code=1)
            self.assertIn("preflight_failed: its containers may take 921600 MiB of memory together, and the engine's machine has", done.stderr)
            self.assertEqual(self.containers("-a"), [])

    def test_what_it_needs_of_others_is_there_first(self):
        with Site() as site:
            listener = socket.create_server(("127.0.0.1", 0))
            self.addCleanup(listener.close)
            needed = "127.0.0.1:%d" % listener.getsockname()[1]
            self.start(site)
            self.deploy(site)
            self.start_again(site, f", needs: [web, '{needed}']")
            self.deploy(site, "--image", "web:2")
            self.assertEqual(self.served(site), "web:2")
            listener.close()
            self.start_again(site, f", needs: ['{needed}', mail, web]")
            done = self.deploy(site, "--image", "web:1", code=1)
            fault = self.last_record(site)["fault"]
            self.assertEqual((fault["code"], fault["retryable"]), ("dependency_missing", True), done.stderr)
            self.assertRegex(fault["text"], f"^it needs {needed}, which does not answer: .*refused.*; it needs mail, and no service has that name$")
            self.assertEqual(self.containers("-a"), ["web-1-1", "web-2-1"], "nothing was touched")
            self.assertEqual(self.served(site), "web:2")

    def test_ctrl_c_ends_the_command_and_not_the_deployment(self):
        self.image("late:1", LATE)
        with Site() as site:
            self.start(site)
            self.deploy(site)
            command = self.begin(site, "--image", "late:1")
            wait_for(lambda: "web-2-1" in self.containers(), "its container", 20)
            command.send_signal(signal.SIGINT)
            out = command.communicate(timeout=20)[0]
            self.assertEqual(command.returncode, 130, out)
            record = self.last_record(site)
            self.assertIn(f"hale deployments follow {record['id']}", out)
            self.assertIn(f"hale deployments abort {record['id']}", out)
            self.assertFalse(record["over"])
            self.engine.docker("exec", "web-2-1", "/bin/busybox", "touch", "/go")
            done = site.cli("deployments", "follow", record["id"], timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.served(site), "late:1")


class DeployEngineTrouble(EngineCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="hale-engine-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.engine = DockerEngine(cls.folder, ["--live-restore"])
        cls.addClassCleanup(cls.engine.clean_up)
        cls.engine.start()
        for version in cls.versions:
            cls.image(version)
        cls.image("late:1", LATE)

    def test_an_engine_that_is_away_is_named_and_its_return_is_enough(self):
        with Site() as site:
            self.start(site)
            self.deploy(site)
            self.engine.crash()
            try:
                done = self.deploy(site, "--image", "web:2", code=1)
                self.assertIn("engine_unavailable: ", done.stderr)
                self.assertIn("is the engine running there?", done.stderr)
                self.assertTrue(self.last_record(site)["fault"]["retryable"])
                self.assertEqual(self.served(site), "web:1")
            finally:
                self.engine.start()
            self.deploy(site, "--image", "web:2")
            self.assertEqual(self.served(site), "web:2")

    def test_an_engine_that_restarts_midway_costs_nothing(self):
        self.restarts_midway()

    def test_what_an_engine_that_is_away_still_runs_is_taken_away_when_it_is_back(self):
        with Site() as site:
            self.start(site)
            self.deploy(site)
            begun = json.loads(self.deploy(site, "--image", "late:1", "--detach", "-o", "json").stdout)["deployment"]
            wait_for(lambda: "web-2-1" in self.containers(), "its container", 20)
            self.engine.crash()
            try:
                site.api(f"/api/v1/deployments/{begun}:abort", "POST", {})
                wait_for(lambda: site.api(f"/api/v1/deployments/{begun}")[1]["phase"] == "rolling_back", "the undoing", 20)
                self.assertEqual(self.served(site), "web:1")
            finally:
                self.engine.start()
            done = site.cli("deployments", "follow", begun, timeout=120)
            self.assertIn("rolled_back", done.stderr)
            self.assertEqual(self.containers("-a"), ["web-1-1"])

    def test_a_full_disk_is_said_in_the_engines_words(self):
        folder = tempfile.mkdtemp(prefix="hale-small-", dir=self.folder)
        small = os.path.join(folder, "data")
        os.mkdir(small)
        run("mount", "-t", "tmpfs", "-o", "size=90m", "none", small)
        self.addCleanup(run, "umount", "-l", small, good=None)
        engine = DockerEngine(folder, data=small)
        self.addCleanup(engine.clean_up)
        registry = DockerRegistry(os.path.join(folder, "registry")).start()
        self.addCleanup(registry.end)
        with open(os.path.join(self.folder, "bulk"), "wb") as bulk:
            bulk.write(os.urandom(120 << 20))
        context = tempfile.mkdtemp(dir=self.folder)
        os.rename(bulk.name, os.path.join(context, "bulk"))
        with open(os.path.join(context, "Dockerfile"), "w") as out:
            out.write("FROM web:2\nCOPY bulk /bulk\n")
        self.engine.docker("build", "-q", "-t", "bulk:1", context)
        image = registry.publish(self.engine, "bulk:1", "bulk:1")
        engine.start()
        with Site() as site:
            self.start(site, engine=engine)
            done = self.deploy(site, "--image", image, code=1)
            self.assertIn("image_pull_failed: ", done.stderr)
            self.assertIn("no space left on device", done.stderr)
            # Less than the least is said before anything is pulled.
            with open(os.path.join(small, "bulk"), "wb") as bulk:
                bulk.write(bytes(60 << 20))
            done = self.deploy(site, "--image", image, code=1)
            self.assertRegex(done.stderr, f"preflight_failed: only [0-9]+ MiB are free at {small}")


if __name__ == "__main__":
    unittest.main()
