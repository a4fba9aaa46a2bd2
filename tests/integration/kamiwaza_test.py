"""Goal: extensions are judged as their platform's table says, row by row, and what that table got wrong is not so here: no
silent pass, no rule of names but in the importer, all containers beside each other, FAILED with its reason.
Method: examples/kamiwaza by its one command on a real engine; its importer over an extension of one container for each row: each
state of a container, each answer of its web root."""

import json
import os
import re
import subprocess
import tempfile
import time
import unittest

from containers import EngineCase, SERVER
from harness import HALE, ROOT, Site

EXAMPLE = os.path.join(ROOT, "examples", "kamiwaza")
HEALTH = {"interval": "200ms", "timeout": "1s", "retries": 3}


def health(command, **more):
    return {"healthcheck": {"test": ["CMD", "/bin/busybox", *command], **HEALTH, **more}}


class Kamiwaza(EngineCase):
    versions = ("app:1",)

    def test_the_example_runs_by_one_command(self):
        done = subprocess.run([os.path.join(EXAMPLE, "run"), HALE], capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
                              env={**os.environ, "DOCKER_HOST": self.engine.socket, "NO_COLOR": "1"})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        stages = re.split(r"^== ", done.stdout, flags=re.M)[1:]
        for stage, says in zip(stages[2:], ("DEPLOYED", "DEPLOYED", "not_ready", "container_exited", "preflight_failed", "DEPLOYED"), strict=True):
            self.assertIn(says, stage)
        self.assertIn("verifying 4m", stages[2])
        self.assertIn("users: 200 notes:late", stages[4])
        self.assertIn("| cannot reach the model", stages[5])
        self.assertIn("notes-tool-notes-", stages[7])

    def bring(self, site, name, container, timeout="4s", others=None):
        """Imported and deployed; its outward status, and its record."""
        path = os.path.join(site.folder, "extension.json")
        with open(path, "w") as out:
            json.dump({"name": "x", "services": {name: {"image": "app:1", **container}, **(others or {})}}, out)
        done = subprocess.run([os.path.join(EXAMPLE, "import"), path, "x.test"], capture_output=True, text=True, check=True)
        with open(path, "w") as out:
            out.write(done.stdout)
        ended = site.cli("deploy", "x", "--compose", path, "--timeout", timeout, "-o", "json", timeout=120)
        record = json.loads(ended.stdout)
        status = subprocess.run([os.path.join(EXAMPLE, "status")], input=ended.stdout, capture_output=True, text=True, check=True).stdout.split()[0]
        self.assertEqual(ended.returncode, 0 if status == "DEPLOYED" else 1)
        return status, record, done.stderr

    def test_the_platforms_own_figures_are_what_is_asked(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"name": "x", "services": {"web": {"image": "app:1", "ports": ["3000"]}}}, file)
            file.flush()
            for said, interval in (({}, "1s"), ({"KAMIWAZA_EXTENSION_PROBE_INTERVAL": "2.5"}, "2.5s")):
                done = subprocess.run([os.path.join(EXAMPLE, "import"), file.name, "x.test"], capture_output=True, text=True, check=True, env={**os.environ, **said})
                check = json.loads(done.stdout)["services"]["web"]["x-hale"]["check"]
                self.assertEqual((check["interval"], check["http"], check["expect"]), (interval, "/", ["[STATUS] < 400"]))

    def begin(self, site):
        site.start(f'docker: {{host: "{self.engine.socket}"}}\ndrain_timeout: 1s\nservices: {{}}\n')

    def test_k1_k5_each_state_of_a_container(self):
        self.image("exits:1", '["/bin/busybox", "sh", "-c", "echo last words; exit 3"]')
        web = {"ports": ["3000"]}
        # The engine calls it unhealthy after 3 failures; the seventh time it passes.
        ready_late = health(["sh", "-c", 'n=x$$(/bin/busybox cat /n 2>/dev/null); echo $$n > /n; [ "$${#n}" -gt 6 ]'])
        rows = [
            # what its container says, whether it is asked, how it ends, and why
            ("healthy", {**web, **health(["true"])}, "DEPLOYED", None),
            ("unhealthy", {**web, **health(["false"])}, "FAILED", "container_unhealthy"),
            ("unhealthy, then healthy", {**web, **ready_late}, "DEPLOYED", None),
            ("starting until the deadline", {**web, **health(["false"], start_period="1m")}, "FAILED", "timed_out"),
            ("none, with a web root", web, "DEPLOYED", None),
            ("none, without one", {}, "FAILED", "preflight_failed"),
            ("ended", {"image": "exits:1", **web}, "FAILED", "container_exited"),
            ("ended, with a health check", {"image": "exits:1", **web, **health(["true"])}, "FAILED", "container_exited"),
        ]
        with Site() as site:
            self.begin(site)
            for row, container, status, fault in rows:
                with self.subTest(row=row):
                    began = time.time()
                    ended, record, _ = self.bring(site, "web", {"stop_grace_period": "1s", **container}, timeout="20s" if status == "DEPLOYED" else "4s")
                    self.assertEqual((ended, record["fault"] and record["fault"]["code"]), (status, fault), record["fault"])
                    if row == "unhealthy, then healthy":
                        told = self.engine.docker("events", "--since", f"{began:.3f}", "--until", f"{time.time():.3f}", "--filter", "event=health_status", "--format", "{{.Action}}").stdout
                        self.assertEqual([one.removeprefix("health_status: ") for one in told.split("\n") if one][:2], ["unhealthy", "healthy"])
                    if fault == "container_exited":
                        self.assertEqual(record["instances"][0]["log"], ["last words"])

    def test_k8_each_answer_of_the_web_root(self):
        rows = [(200, "DEPLOYED"), (204, "DEPLOYED"), (302, "DEPLOYED"), (399, "DEPLOYED"), (400, "FAILED"), (401, "FAILED"), (404, "FAILED"), (500, "FAILED"), (503, "FAILED")]
        for answer, _ in rows:
            self.answering(f"answers:{answer}", answer)
        self.image("silent:1", '["/bin/busybox", "nc", "-ll", "-p", "3000", "-e", "/bin/busybox", "sleep", "100"]')
        self.image("closed:1", '["/bin/busybox", "sleep", "1000"]')
        with Site() as site:
            self.begin(site)
            for tag, status in [(f"answers:{answer}", status) for answer, status in rows] + [("silent:1", "FAILED"), ("closed:1", "FAILED")]:
                with self.subTest(tag=tag):
                    ended, record, _ = self.bring(site, "web", {"image": tag, "ports": ["3000"], "stop_grace_period": "1s"}, timeout="3s")
                    self.assertEqual(ended, status, record["fault"])
                    if status == "FAILED":
                        self.assertEqual(record["fault"]["code"], "not_ready")
                        self.assertIn("retryable", record["fault"])
                        self.assertTrue(record["instances"][0]["observations"] or tag == "silent:1", record)

    def test_k2_k4_k6_names_decide_nothing_and_all_are_verified_beside_each_other(self):
        with Site() as site:
            self.begin(site)
            for prefix in ("service-", "tool-", "mcp-"):
                _, record, said = self.bring(site, f"{prefix}search", {"ports": ["3000"], "stop_grace_period": "1s", **health(["true"])})
                self.assertIn(f"its name begins with {prefix}", said)
                self.assertEqual(record["instances"][0]["unverified"], f"the platform probes no container whose name begins with {prefix}")
            slow = {"stop_grace_period": "1s", **health(["sh", "-c", "[ -e /ready ] || { /bin/busybox sleep 1; /bin/busybox touch /ready; }"], timeout="5s", interval="500ms")}
            ended, record, _ = self.bring(site, "web", {"ports": ["3000"], **slow}, timeout="30s", others={f"part{n}": {"image": "app:1", "command": ["/bin/busybox", "sleep", "1000"], **slow} for n in range(6)})
            self.assertEqual(ended, "DEPLOYED", record["fault"])
            replay = json.loads(site.cli("deployments", "replay", record["id"], "-o", "json").stdout)
            events = [step["event"] for step in replay["steps"]]
            self.assertTrue(replay["same"])
            self.assertLess(max(n for n, event in enumerate(events) if event == "started"), min(n for n, event in enumerate(events) if event == "health"), events)
            for phase in record["phases"]:
                self.assertTrue(phase["entered"] and phase["reason"] and (phase["deadline"] or phase["phase"] == "done"), phase)


if __name__ == "__main__":
    unittest.main()
