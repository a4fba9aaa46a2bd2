"""Goal: an API is as its critical dependency is, degraded without its advisory ones, and its health endpoint answers at once whatever
they do; with a real PostgreSQL and a real Redis, asked in their own words.
Method: examples/ecs by its one command, which takes them away one by one."""

import os
import re
import subprocess
import unittest

from containers import EngineCase
from harness import Case, DEMO, HALE, ROOT


class EcsDeployments(EngineCase):
    versions = ()

    def test_its_deployments_run_by_one_command(self):
        run = subprocess.run([os.path.join(ROOT, "examples", "ecs", "run-deploy"), HALE], capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL,
                             env={**os.environ, "DOCKER_HOST": self.engine.socket, "NO_COLOR": "1"})
        said = run.stdout + run.stderr
        self.assertEqual(run.returncode, 0, said)
        self.assertIn("3 of 3 failures: circuit breaker", said)
        self.assertIn("| ImportError: no module named mlflow", said)
        self.assertIn("answered 404", said)
        self.assertIn("the same again: rolled_back", said)
        self.assertEqual(re.findall(r"(?m)^users: (.*)$", run.stdout), ["200 api:30"] * 6)
        self.assertRegex(run.stdout, r"(?m)^api-4-\d .* exited .*it is kept for the way back")


class Ecs(Case):
    def test_the_example_runs_by_one_command(self):
        run = subprocess.run([os.path.join(ROOT, "examples", "ecs", "run"), HALE, DEMO], capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL,
                             env={**os.environ, "NO_COLOR": "1"})
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        stages = re.split(r"^== ", run.stdout, flags=re.M)[1:]
        self.assertEqual(len(stages), 4, run.stdout)
        well, degraded, down, back = stages
        self.assertIn("GET /health/api: 200   traffic: 200", well)
        self.assertIn("SELECT 1 answered by a primary in ", well)
        self.assertIn("PONG of a master in ", well)
        self.assertIn("GET /health/api: 200   traffic: 200", degraded)
        self.assertRegex(degraded, r"(?m)^redis +.*unhealthy")
        self.assertIn("GET /health/api: 503   traffic: 503", down)
        self.assertIn("postgres", down.split("traffic: 503")[1])
        self.assertIn("GET /health/api: 200   traffic: 200", back)
        self.assertNotIn("hokusai-database", run.stdout + run.stderr)
        self.assertNotIn("hokusai-cache", run.stdout + run.stderr)


if __name__ == "__main__":
    unittest.main()
