"""Goal: hooks, baking, waves, the circuit breaker and the rule for failures that were there before do on real containers what the
configuration says, and whatever goes wrong ends with users where they were.
Method: a Docker Engine of this test's own; versions that answer checks and fail users, that end, or that never get ready; an HTTP
server and programs that say yes or no; containers counted while a deployment runs."""

import http.server
import json
import os
import signal
import threading
import time
import unittest

from containers import LATE, SERVED_AT_ONCE, EngineCase
from harness import Site, wait_for
from successors import Load

# Right at /up, wrong everywhere else.
FAILS_USERS = """#!/bin/sh
read -r method path rest
while read -r line; do [ "${#line}" -le 1 ] && break; done
case "$path" in /up) s="200 OK";; *) s="500 X";; esac
printf "HTTP/1.1 $s\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n"
"""
# Ends as often as /state/n says, then serves.
ENDS_TWICE = """#!/bin/sh
n=$(/bin/busybox cat /state/n 2>/dev/null || echo 0)
echo $((n + 1)) > /state/n
if [ "$n" -lt 2 ]; then echo "attempt $n"; exit 7; fi
exec /bin/busybox httpd -f -p 3000 -h /www
"""


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.told.append((self.path, self.headers.get("X-Of"), body))
        self.send_response(self.server.answers.get(self.path, 200))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class DeployStrategy(EngineCase):
    def setUp(self):
        self.hooks = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        self.hooks.told, self.hooks.answers = [], {}
        thread = threading.Thread(target=self.hooks.serve_forever)
        thread.start()
        self.addCleanup(lambda: (self.hooks.shutdown(), thread.join(), self.hooks.server_close()))
        self.hook_url = f"http://127.0.0.1:{self.hooks.server_address[1]}"

    def program(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as out:
            out.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        os.chmod(self.folder, 0o755)
        return path

    def test_hooks_stand_before_the_first_step_and_behind_the_switch(self):
        asks = self.program("asks", 'echo "$HALE_WHEN $HALE_SERVICE $HALE_IMAGE"; [ "$HALE_IMAGE" != web:2 ]\n')
        with Site() as site:
            self.start(site, f', before: [{{http: "{self.hook_url}/may", headers: {{X-Of: us}}, timeout: 5s}}, {{exec: [{asks}], timeout: 5s}}], after: [{{http: "{self.hook_url}/did"}}]')
            first = self.deploy(site)
            self.assertEqual([(path, of, body["when"], body["image"]) for path, of, body in self.hooks.told],
                             [("/may", "us", "before", "web:1"), ("/did", None, "after", "web:1")])
            self.assertEqual(len(self.hooks.told[1][2]["targets"]), 1)
            self.assertRegex(first.stderr, r"requested 30 s.*hooks_after 35 s")
            refused = self.deploy(site, "--image", "web:2", code=1)
            self.assertIn(f"hook_failed: the hook before {asks}: exit code 1: before web web:2", refused.stderr)
            self.assertEqual(self.containers("-a"), ["web-1-1"], "nothing was made")
            self.hooks.answers["/did"] = 500
            undone = self.deploy(site, "--env", "A=b", code=1)
            self.assertIn("hook_failed: the hook after", undone.stderr)
            self.assertIn("500", undone.stderr)
            self.assertEqual(self.served(site), "web:1")
            self.assertEqual(self.containers("-a"), ["web-1-1"])
            self.hooks.answers["/may"] = 409
            self.assertIn("hook_failed: the hook before", self.deploy(site, code=1).stderr)

    def users(self, site, stop, host="web.test"):
        while not stop.is_set():
            site.traffic(host, "/")
            stop.wait(0.02)

    def test_a_version_that_fails_users_while_it_bakes_is_taken_back(self):
        self.image("fails:1", '["/bin/busybox", "nc", "-ll", "-p", "3000", "-e", "/answer"]', scripts={"/answer": FAILS_USERS})
        with Site() as site:
            self.start(site, ", bake: {for: 20s, max_error_ratio: 10%, min_requests: 20}")
            self.deploy(site, "--detach")
            wait_for(lambda: self.last_record(site)["phase"] == "baking", "baking", 60)
            stop = threading.Event()
            thread = threading.Thread(target=self.users, args=(site, stop))
            thread.start()
            try:
                wait_for(lambda: self.last_record(site)["phase"] == "done", "the end of baking", 60)
                self.assertRegex(self.last_record(site)["baked"], r"^[1-9]\d+ requests, 0 failed")
                began = time.monotonic()
                bad = self.deploy(site, "--image", "fails:1", code=1)
                self.assertRegex(bad.stderr, r"bake_failed: of \d+ requests to the new version \d+ failed: \d+\.\d %, and 10 % may")
                self.assertLess(time.monotonic() - began, 19, "it is not waited to the end")
            finally:
                stop.set()
                thread.join()
            self.assertEqual(self.served(site), "web:1")
            self.assertEqual(self.containers("-a"), ["web-1-1"])

    def test_an_application_has_its_own_hooks_and_is_baked_as_one(self):
        self.image("bad:1", '["/bin/busybox", "nc", "-ll", "-p", "3000", "-e", "/answer"]', scripts={"/answer": FAILS_USERS})
        with Site() as site:
            self.start(site)
            path = os.path.join(site.folder, "compose.yml")

            def bring(image, code):
                service = f"stop_grace_period: 1s, x-hale: {{host: shop.test, port: 3000, check: {{http: /up, interval: 1s}}"
                with open(path, "w") as out:
                    out.write(f"""x-hale: {{before: [{{http: "{self.hook_url}/before"}}], after: [{{http: "{self.hook_url}/after"}}], bake: {{for: 5s, max_error_ratio: 10%}}}}
services:
  web: {{image: "{image}", {service}}}}}
  api: {{image: "web:2", {service}, path: /api, strip: true}}}}
""")
                done = site.cli("deploy", "shop", "--compose", path, timeout=180)
                self.assertEqual(done.returncode, code, done.stderr)
                return done

            def reached(path="/"):
                status, _, body = site.traffic("shop.test", path)
                return body.decode().strip() if status == 200 else status

            bring("web:1", 0)
            self.assertEqual((reached(), reached("/api/")), ("web:1", "web:2"))
            self.assertEqual([(one, told["service"], told["when"]) for one, _, told in self.hooks.told], [("/before", "shop", "before"), ("/after", "shop", "after")])
            self.hooks.answers = {"/after": 503}
            self.assertIn("hook_failed: the hook after", bring("web:2", 1).stderr)
            self.assertEqual(reached(), "web:1")
            self.hooks.answers = {}
            stop = threading.Event()
            users = threading.Thread(target=self.users, args=(site, stop, "shop.test"))
            users.start()
            try:
                self.assertIn("bake_failed: ", bring("bad:1", 1).stderr)
            finally:
                stop.set()
                users.join()
            self.assertEqual((reached(), reached("/api/")), ("web:1", "web:2"))
            self.assertEqual(self.containers(), ["shop-api-1-1", "shop-web-1-1"])

    def test_the_circuit_breaker_makes_containers_anew_until_so_many_failed(self):
        self.image("twice:1", '["/bin/sh", "/serve"]', scripts={"/serve": ENDS_TWICE})
        self.image("never:1", '["/bin/busybox", "sh", "-c", "echo it is broken; exit 7"]')
        with Site() as site:
            self.start(site, ', restart: "no", volumes: ["state:/state"], breaker: {failures: auto}')
            self.deploy(site)
            self.deploy(site, "--image", "twice:1")
            self.assertEqual(self.last_record(site)["failures"], {"seen": 2, "most": 3})
            self.assertEqual(self.served(site), "twice:1")
            self.assertEqual(self.containers(), ["web-2-1"])
            never = self.deploy(site, "--image", "never:1", code=1)
            self.assertRegex(never.stderr, "(container_exited|start_failed): 3 of 3 failures: circuit breaker; the last: .*7")
            self.assertIn("| it is broken", never.stderr)
            self.assertEqual(self.served(site), "twice:1")
            self.assertEqual(self.containers("-a"), ["web-1-1", "web-2-1"])

    def test_waves_keep_both_limits_there_and_back(self):
        self.image("noup:1", up=False)
        with Site() as site:
            self.start(site, ", replicas: 4, max_healthy_percent: 100, min_healthy_percent: 50")
            self.deploy(site)
            counted, stop = [], threading.Event()

            def count():
                while not stop.is_set():
                    counted.append(len(self.containers()))
                    stop.wait(0.05)

            thread = threading.Thread(target=count)
            thread.start()
            try:
                with Load(site.where["http"], "web.test", rate=100, threads=SERVED_AT_ONCE) as load:
                    self.deploy(site, "--image", "web:2")
                    self.assertEqual(self.served(site), "web:2")
                    self.assertEqual(self.last_record(site)["waves"]["wave"], 2)
                    # Two of the four have left when the first wave does not get ready.
                    bad = self.deploy(site, "--image", "noup:1", "--timeout", "3s", code=1)
                    self.assertIn("not_ready: ", bad.stderr)
                self.assertEqual(load.failed[:5], [])
            finally:
                stop.set()
                thread.join()
            self.assertEqual(self.served(site), "web:2")
            self.assertEqual(self.containers(), ["web-2-1", "web-2-2", "web-2-3", "web-2-4"], "who was stopped runs again")
            self.assertEqual(sum(one["eligible"] for one in site.verdicts() if one["instance"].startswith("web-2-")), 4)
            self.assertLessEqual(max(counted), 4)
            self.assertGreaterEqual(min(counted), 2)
            self.assertLess(min(counted), 4, "and some were stopped on the way")

    def test_v11_a_daemon_killed_amid_waves_leaves_users_with_those_who_serve(self):
        self.image("late:1", LATE)
        # Started again on the way back, it takes a while: the new one serves until then.
        self.image("slow:1", '["/bin/busybox", "sh", "-c", "/bin/busybox sleep 5; exec /bin/busybox httpd -f -p 3000 -h /www"]')
        with Site() as site:
            self.start(site, ", replicas: 2, max_healthy_percent: 100, min_healthy_percent: 50")
            self.deploy(site, "--image", "slow:1")
            begun = json.loads(self.deploy(site, "--image", "late:1", "--detach", "-o", "json").stdout)["deployment"]
            record = lambda: site.api(f"/api/v1/deployments/{begun}")[1]
            wait_for(lambda: "web-2-1" in self.containers(), "the first of the new ones", 20)
            self.engine.docker("exec", "web-2-1", "/bin/busybox", "touch", "/go")
            wait_for(lambda: record()["waves"]["wave"] == 2 and record()["phase"] == "verifying", "the second wave", 30)
            self.assertEqual(self.containers(), ["web-2-1", "web-2-2"])
            site.api(f"/api/v1/deployments/{begun}:abort", "POST", {})
            wait_for(lambda: record()["phase"] == "rolling_back", "the way back", 20)
            site.stop(signal.SIGKILL)
            site.start()
            with Load(site.where["http"], "web.test", rate=50, threads=SERVED_AT_ONCE) as load:
                done = site.cli("deployments", "follow", begun, timeout=120)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn("aborted", done.stderr)
                wait_for(lambda: load.answered >= 20, "requests", 20)
            self.assertEqual(load.failed[:5], [])
            self.assertEqual(self.served(site), "slow:1")
            self.assertEqual(self.containers("-a"), ["web-1-1", "web-1-2"])
            self.assertEqual(sum(one["eligible"] for one in site.verdicts() if one["instance"].startswith("web-1-")), 2)

    def test_what_the_serving_version_fails_too_is_told_and_may_be_accepted(self):
        self.image("noup:1", up=False)
        for policy, code in (("fail", 1), ("accept", 0)):
            with self.subTest(policy=policy), Site() as site:
                self.start(site, f", pre_existing: {policy}")
                self.deploy(site)
                self.engine.docker("exec", "web-1-1", "/bin/busybox", "rm", "/www/up")
                site.wait_state("web-1-1", "unhealthy")
                done = self.deploy(site, "--image", "noup:1", "--timeout", "3s", code=code)
                if policy == "fail":
                    self.assertIn("pre_existing: ", done.stderr)
                    self.assertEqual(self.containers("-a"), ["web-1-1"])
                else:
                    self.assertIn("although its check fails", done.stderr)
                    self.assertIn("404", self.last_record(site)["accepted"])
                    self.assertEqual(self.containers(), ["web-2-1"])
            self.tearDown()


if __name__ == "__main__":
    unittest.main()
