"""Goal: a right opens what it was given for and nothing beside it, in the real daemon: a heartbeat's own token, the
addresses that role operate may add as targets, and the command line's admin token.
Method: each right is tried on everything near it (the other check, the other service, every other kind of target, another
server), and what was refused is looked for afterwards: it must not be there."""

import contextlib
import http.server
import json
import os
import threading
import unittest

from harness import Case, Site, request, wait_for

NIGHTLY, WEEKLY, ELSEWHERE, RENEWED = (f"{name}-0123456789abcdef" for name in ("nightly", "weekly", "elsewhere", "renewed"))


def beats(nightly):
    return f"""services:
  jobs:
    checks:
      nightly: {{heartbeat: {{every: 1h, token: "{nightly}"}}}}
      weekly: {{heartbeat: {{every: 1h, token: "env:WEEKLY_TOKEN"}}}}
  elsewhere:
    checks: {{tick: {{heartbeat: {{every: 1h, token: "{ELSEWHERE}"}}}}}}
  open:
    checks: {{beat: {{heartbeat: {{every: 1h}}}}}}
  silent:
    checks: {{beat: {{heartbeat: {{every: 1s, grace: 200ms, token: "{NIGHTLY}-silent"}}}}}}
"""


class HeartbeatTokens(Case):
    def beat(self, site, where, token=None, query=""):
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        return request(site.where["admin"], "POST", f"/api/v1/services/{where}{query}", headers, b"")[0]

    def runs(self, site, service):
        return {name: check["run"] for name, check in site.verdict(service)["checks"].items()}

    def test_a_heartbeats_token_beats_for_that_check_alone(self):
        os.environ["WEEKLY_TOKEN"] = WEEKLY
        self.addCleanup(os.environ.pop, "WEEKLY_TOKEN")
        with Site() as site:
            site.start(beats(NIGHTLY))
            before = self.runs(site, "jobs")
            for where, token, status in [
                ("jobs/heartbeat/nightly", None, 401), ("jobs/heartbeat/nightly", "wrong-0123456789abcdef", 401), ("jobs/heartbeat/nightly", "", 401),
                ("jobs/heartbeat/nightly", WEEKLY, 401), ("jobs/heartbeat/nightly", ELSEWHERE, 401),
                ("jobs/heartbeat/weekly", NIGHTLY, 401), ("elsewhere/heartbeat/tick", NIGHTLY, 401), ("elsewhere/heartbeat", NIGHTLY, 401),
                ("open/heartbeat/beat", NIGHTLY, 401), ("open/heartbeat", None, 401), ("nobody/heartbeat", NIGHTLY, 401),
                ("jobs/heartbeat", NIGHTLY, 400),  # Which of the two? Not both.
            ]:
                with self.subTest(where=where, token=token):
                    self.assertEqual(self.beat(site, where, token), status)
            self.assertEqual(self.runs(site, "jobs"), before)
            self.assertEqual(self.beat(site, "jobs/heartbeat/nightly", NIGHTLY), 202)
            wait_for(lambda: self.runs(site, "jobs")["nightly"], "the beat to be counted")
            self.assertEqual(self.runs(site, "jobs")["nightly"]["outcome"], "pass")
            self.assertEqual(self.runs(site, "jobs")["weekly"], before["weekly"])
            self.assertEqual(self.beat(site, "jobs/heartbeat/weekly", WEEKLY), 202)
            self.assertEqual(site.wait_state("jobs", "healthy")["state"], "healthy")
            self.assertEqual(self.beat(site, "elsewhere/heartbeat", ELSEWHERE), 202)  # Its only one.
            site.wait_state("elsewhere", "healthy")
            self.assertEqual(self.beat(site, "jobs/heartbeat/nightly", NIGHTLY, "?outcome=fail&text=disk+full"), 202)
            verdict = site.wait_state("jobs", "unhealthy")
            self.assertIn("disk full", json.dumps(site.api("/api/v1/explain?target=jobs")[1]) + verdict["reason"]["text"])

    def test_it_is_no_key_to_anything_else_and_is_shown_nowhere(self):
        os.environ["WEEKLY_TOKEN"] = WEEKLY
        self.addCleanup(os.environ.pop, "WEEKLY_TOKEN")
        with Site() as site:
            site.start(beats(NIGHTLY))
            bearer = {"Authorization": f"Bearer {NIGHTLY}", "Content-Type": "application/json"}
            document = site.api("/openapi.json")[1]
            for path, methods in document["paths"].items():
                for method, operation in methods.items():
                    if operation["operationId"] in ("heartbeat", "heartbeatOf") or path.split("{")[0] in ("/live", "/livez", "/ready", "/readyz", "/health", "/healthz", "/metrics"):
                        continue
                    concrete = path.replace("{s}", "jobs").replace("{i}", "jobs").replace("{service}", "jobs").replace("{c}", "nightly").replace("{name}", "x").replace("{id}", "x")
                    with self.subTest(f"{method} {concrete}"):
                        self.assertEqual(request(site.where["admin"], method.upper(), concrete, bearer, b"{}")[0], 401)
            viewer = site.api("/api/v1/tokens", "POST", {"name": "viewer", "role": "read"})[1]["secret"]
            operator = site.api("/api/v1/tokens", "POST", {"name": "operator", "role": "operate"})[1]["secret"]
            self.assertEqual(self.beat(site, "jobs/heartbeat/nightly", viewer), 403)
            for where in ("jobs/heartbeat/nightly", "jobs/heartbeat/weekly", "open/heartbeat"):
                self.assertEqual(self.beat(site, where, operator), 202)
            shown = site.cli("config", "show", "--effective").stdout + site.cli("config", "show", "--effective", "-o", "json").stdout
            for path in ("/api/v1/services/jobs", "/api/v1/checks", "/api/v1/config", "/api/v1/audit", "/api/v1/explain?target=jobs"):
                shown += site.api_text(path)
            self.assertIn("nightly", shown)
            site.stop()
            kept = b""
            for folder, _, names in os.walk(site.state):
                for name in names:
                    with contextlib.suppress(OSError), open(os.path.join(folder, name), "rb") as file:
                        kept += file.read()
            for token in (NIGHTLY, WEEKLY, ELSEWHERE):
                self.assertNotIn(token, shown + site.log_text())
                self.assertNotIn(token.encode(), kept)

    def test_a_reload_ends_the_old_token_and_silence_is_missed(self):
        os.environ["WEEKLY_TOKEN"] = WEEKLY
        self.addCleanup(os.environ.pop, "WEEKLY_TOKEN")
        with Site() as site:
            site.start(beats(NIGHTLY))
            self.assertEqual(self.beat(site, "silent/heartbeat", NIGHTLY + "-silent"), 202)
            site.wait_state("silent", "healthy")
            self.assertEqual(site.wait_state("silent", "unhealthy")["reason"]["code"], "heartbeat_missed")
            site.configure(beats(RENEWED))
            site.api("/api/v1/config:reload", "POST", {})
            self.assertEqual(self.beat(site, "jobs/heartbeat/nightly", NIGHTLY), 401)
            self.assertEqual(self.beat(site, "jobs/heartbeat/nightly", RENEWED), 202)


class Targets(Case):
    def test_operate_adds_targets_within_targets_allow_only(self):
        with Site() as site:
            demo = site.demo()
            port = demo.address.rsplit(":", 1)[1]
            inside, outside = demo.address, f"127.0.0.2:{port}"
            declared = "services: {file: {checks: {main: {http: /up}}}}\n"
            site.start('targets: {allow: ["127.0.0.1/32"], deny: ["127.0.0.9/32"]}\n' + declared)
            secrets = {role: site.api("/api/v1/tokens", "POST", {"name": role, "role": role})[1]["secret"] for role in ("read", "operate")}
            secrets["admin"] = site.token

            def ask(role, method, path, body):
                status, _, text = request(site.where["admin"], method, "/api/v1" + path, {"Authorization": f"Bearer {secrets[role]}", "Content-Type": "application/json"},
                                          json.dumps(body).encode())
                return status, json.loads(text)

            def ways(target, n):
                """Every request that brings in a target."""
                return [("POST", "/services", {"name": f"made-{n}", "instances": [target], "check": {"http": "/up"}}),
                        ("PUT", f"/services/put-{n}", {"instances": [target], "check": {"http": "/up"}}),
                        ("POST", "/services/file/instances", target),
                        ("POST", "/services/file/instances", {"name": f"named-{n}", "address": target}),
                        ("POST", "/routes:add", {"host": f"added-{n}.example", "targets": [target]}),
                        ("POST", "/routes:add", {"host": f"more-{n}.example", "service": "file", "targets": [inside, target]})]

            def names():
                return {item["service"] for item in site.api("/api/v1/services?limit=1000")[1]["items"]}, {(v["service"], v["address"]) for v in site.verdicts()}, \
                    {route["host"] for route in site.api("/api/v1/routes?limit=1000")[1]["items"]}

            there = names()
            refused = [outside, f"localhost:{port}", f"http://{outside}", f"http://localhost:{port}", "unix:/run/x.sock", f"[::1]:{port}", f"[::ffff:127.0.0.2]:{port}",
                       "169.254.169.254:80", f"0.0.0.0:{port}", site.where["admin"].replace("127.0.0.1", "127.0.0.3")]
            for n, target in enumerate(refused):
                for method, path, body in ways(target, n):
                    with self.subTest(path=path, body=body):
                        self.assertEqual(ask("read", method, path, body)[0], 403)
                        status, answer = ask("operate", method, path, body)
                        self.assertIn(status, (400, 403), answer)  # 400: no target anybody could add.
                        if status == 403:
                            self.assertEqual(answer["code"], "target_not_allowed")
                            self.assertIn("targets.allow", answer["detail"])
            self.assertEqual(names(), there)
            self.assertEqual(ask("operate", "POST", "/services", {"name": "e", "checks": {"main": {"exec": ["/bin/true"]}}})[0], 400)
            self.assertEqual(names(), there)

            for n, (method, path, body) in enumerate(ways(inside, 100)):
                if n in (3, 5):
                    continue  # The same address twice in one service: refused for that.
                with self.subTest(path=path, body=body):
                    status, answer = ask("operate", method, path, body)
                    self.assertIn(status, (200, 201), answer)
            for service in ("made-100", "put-100", "added-100.example", "file"):
                wait_for(lambda: any(v["service"] == service and v["state"] == "healthy" for v in site.verdicts()), f"{service} to be healthy")
            # A service that operate may change does not take the target of an admin along.
            self.assertEqual(ask("operate", "PUT", "/services/made-100", {"instances": [inside, outside], "check": {"http": "/up"}})[0], 403)
            self.assertEqual(ask("admin", "PUT", "/services/byadmin", {"instances": [f"localhost:{port}"], "check": {"http": "/up"}})[0], 201)
            wait_for(lambda: any(v["service"] == "byadmin" and v["state"] == "healthy" for v in site.verdicts()), "the admin's target to be healthy")

            site.configure('targets: {allow: ["127.0.0.1/32", "127.0.0.2/32"]}\n' + declared)
            site.api("/api/v1/config:reload", "POST", {})
            self.assertEqual(ask("operate", "PUT", "/services/widened", {"instances": [outside], "check": {"http": "/up"}})[0], 201)
            site.configure(declared)
            site.api("/api/v1/config:reload", "POST", {})
            self.assertEqual(ask("operate", "PUT", "/services/narrowed", {"instances": [inside], "check": {"http": "/up"}})[0], 403)

    def test_not_even_an_admin_reaches_what_no_target_may_be(self):
        with Site() as site:
            demo = site.demo()
            denied = demo.address.replace("127.0.0.1", "127.0.0.9")
            site.start('targets: {allow: ["0.0.0.0/0"], deny: ["127.0.0.9/32"]}\nservices: {}\n')
            for name, target, why in [("linked", "169.254.169.254:80", "link-local"), ("denied", denied, "targets.deny")]:
                with self.subTest(name):
                    site.api(f"/api/v1/services/{name}", "PUT", {"instances": [target], "check": {"http": "/live"}})
                    verdict = wait_for(lambda: (v := site.verdict(f"{name}-1")) and v["last_probe"] and v, f"a probe of {name}")
                    self.assertEqual(verdict["last_probe"]["outcome"], "error")
                    self.assertFalse(verdict["eligible"])
                    self.assertIn(why, json.dumps(site.api(f"/api/v1/explain?target={name}")[1]))
                    self.assertEqual(site.cli("check", name).returncode, 3)


class CommandLine(Case):
    def test_the_token_of_this_machine_is_shown_to_its_own_daemon_only(self):
        heard = []

        class Listener(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                heard.append(self.headers.get("Authorization"))
                problem = json.dumps({"type": "about:blank", "title": "Unauthorized", "status": 401}).encode()
                self.send_response(401)
                self.send_header("Content-Type", "application/problem+json")
                self.send_header("Content-Length", str(len(problem)))
                self.end_headers()
                self.wfile.write(problem)

            def log_message(self, *_):
                pass

        with Site() as site, http.server.HTTPServer(("127.0.0.1", 0), Listener) as stranger:
            threading.Thread(target=stranger.serve_forever, daemon=True).start()
            self.addCleanup(stranger.shutdown)
            site.start("services: {}\n")
            port = site.where["admin"].rsplit(":", 1)[1]
            elsewhere = f"127.0.0.1:{stranger.server_port}"
            without = {"HALE_TOKEN": "", "HALE_CONFIG": site.config_path}
            for own in (site.where["admin"], f"localhost:{port}", f"unix:{site.folder}/hale.sock"):
                with self.subTest(own):
                    self.assertEqual(site.cli("token", "list", environment={**without, "HALE_SERVER": own}).returncode, 0)
            asked = site.cli("token", "list", environment={**without, "HALE_SERVER": elsewhere})
            self.assertEqual(asked.returncode, 4, asked.stderr)
            self.assertIn("HALE_TOKEN", asked.stderr)
            self.assertIn(f"{elsewhere} is not where the daemon of {site.state} listens", asked.stderr)
            self.assertEqual(site.cli("token", "list", "--server", elsewhere, environment={**without, "HALE_TOKEN": "theirs"}).returncode, 4)
            self.assertEqual(heard, [None, "Bearer theirs"])
            site.stop()
            self.assertFalse(os.path.exists(os.path.join(site.state, "listen.json")))

    def test_v13_a_misspelt_service_is_not_the_catch_alls(self):
        with Site() as site:
            demo = site.demo()
            site.start(f'services:\n  web:\n    hosts: ["*"]\n    instances: ["{demo.address}"]\n    check: {{http: /up}}\n')
            site.wait_state("web-1", "healthy")
            self.assertEqual(site.cli("check", "web").returncode, 0)
            for arguments in (["check", "wbe"], ["explain", "wbe"], ["verify", "wbe"], ["set", "wbe", "down", "--reason", "x"], ["drain", "wbe"]):
                with self.subTest(arguments[0]):
                    ran = site.cli(*arguments)
                    self.assertEqual(ran.returncode, 3, ran.stderr)
                    self.assertIn('no service, instance or host named "wbe"; did you mean web?', ran.stderr)
            self.assertEqual(site.cli("check", "host:wbe").returncode, 0)
            self.assertEqual(site.traffic("wbe")[0], 200)


if __name__ == "__main__":
    unittest.main()
