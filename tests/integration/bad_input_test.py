"""Goal: bad input gets a clear error and nothing is lost (V11, V12, V19).
Method: a table of configurations with the exact place of the fault, at start and at reload; a damaged, locked or newer
state.db; calls without a token; a daemon that is not there."""

import os
import shutil
import sqlite3
import subprocess
import time
import unittest

from harness import Case, HALE, Site, refusing_address, request

# (what, text, the place, words that the message must hold). Lines count from the head that Site.configure writes.
HEAD_LINES = 4
BAD = [
    ("unknown key", "services:\n  web:\n    chekc: {http: /}\n", "3:5", ["services.web.chekc", "check"]),
    ("wrong type", "services:\n  web:\n    instances: 7\n", "3:16", ["services.web.instances"]),
    ("duplicate key", "services:\n  web:\n    hosts: [a]\n    hosts: [b]\n", "4:5", ["hosts", "twice"]),
    ("duplicate service", "services:\n  web:\n    instances: []\n  web:\n    instances: []\n", "4:3", ["web"]),
    ("port out of range", 'services:\n  web:\n    instances: ["10.0.0.1:70000"]\n    check: {http: /}\n', "3:17", ["65535"]),
    ("unset variable", "services:\n  web:\n    instances: [\"${HALE_NO_SUCH_VARIABLE}\"]\n    check: {http: /}\n", "3:17", ["HALE_NO_SUCH_VARIABLE"]),
    ("invalid condition", 'services:\n  web:\n    instances: ["127.0.0.1:1"]\n    check: {http: /, expect: ["[STATUS] == == 2"]}\n', "4:", ["column"]),
]


class BadConfiguration(Case):
    def test_v19_every_fault_is_refused_with_its_place_at_start_and_at_reload(self):
        with Site() as site:
            site.start("services: {}\n")
            for what, text, place, words in BAD:
                with self.subTest(what):
                    site.configure(text)
                    line, column = place.split(":")
                    marked = f"hale.yml:{int(line) + HEAD_LINES}:{column}"
                    checked = site.cli("config", "check", site.config_path)
                    self.assertNotEqual(checked.returncode, 0)
                    self.assertIn(marked, checked.stdout + checked.stderr)
                    reloaded = site.cli("config", "reload")
                    self.assertNotEqual(reloaded.returncode, 0)
                    self.assertIn(marked, reloaded.stdout + reloaded.stderr)
                    for word in words:
                        self.assertIn(word, reloaded.stdout + reloaded.stderr)
                    # What runs goes on, and says so everywhere.
                    self.assertEqual(request(site.where["admin"], path="/live")[0], 200)
                    self.assertIn("hale_config_last_reload_successful 0", site.api_text("/metrics"))
            site.configure("services: {}\n")
            self.assertEqual(site.cli("config", "reload").returncode, 0)
            self.assertIn("hale_config_last_reload_successful 1", site.api_text("/metrics"))

    def test_v19_two_services_on_one_host_name_both(self):
        with Site() as site:
            site.configure('services:\n  one:\n    hosts: [same.test]\n    instances: ["127.0.0.1:1"]\n    check: {http: /}\n'
                           '  two:\n    hosts: [same.test]\n    instances: ["127.0.0.1:2"]\n    check: {http: /}\n')
            started = subprocess.run([HALE, "serve", "--config", site.config_path], capture_output=True, text=True, timeout=30)
            self.assertEqual(started.returncode, 2)
            for word in ("same.test", "one", "two", "hale.yml:"):
                self.assertIn(word, started.stderr)

    def test_v19_a_composite_slower_than_its_caller_is_refused_with_the_sum(self):
        with Site() as site:
            site.configure('services:\n  a:\n    instances: ["127.0.0.1:1"]\n    check: {http: /, timeout: 6s}\n'
                           '  b:\n    instances: ["127.0.0.1:2"]\n    check: {http: /, timeout: 7s}\n'
                           '  whole:\n    check: {composite: {of: [a, b], run: sequence, caller_timeout: 10s}}\n')
            checked = site.cli("config", "check", site.config_path)
            self.assertNotEqual(checked.returncode, 0)
            self.assertIn("13s", checked.stdout + checked.stderr)

    def test_an_unreadable_file_is_named(self):
        run = subprocess.run([HALE, "serve", "--config", "/nonexistent/hale.yml"], capture_output=True, text=True, timeout=30)
        self.assertEqual(run.returncode, 2)
        self.assertIn("/nonexistent/hale.yml", run.stderr)


class BadState(Case):
    def start_failing(self, site):
        return subprocess.run([HALE, "serve", "--config", site.config_path], capture_output=True, text=True, timeout=60)

    def test_v11_a_corrupt_state_stops_the_start_and_names_the_backup(self):
        with Site() as site:
            site.start("services: {}\n")
            site.stop()
            path = os.path.join(site.state, "state.db")
            backup = os.path.join(site.state, "backup")
            os.makedirs(backup, exist_ok=True)
            shutil.copy(path, os.path.join(backup, "state-20260101T000000Z.db"))
            with open(path, "r+b") as db:
                db.seek(4096)
                db.write(os.urandom(8192))
            failed = self.start_failing(site)
            self.assertEqual(failed.returncode, 1)
            self.assertIn(path, failed.stderr)
            self.assertIn("--restore", failed.stderr)

    def test_v11_a_newer_state_is_refused(self):
        with Site() as site:
            site.start("services: {}\n")
            site.stop()
            db = sqlite3.connect(os.path.join(site.state, "state.db"))
            db.execute("PRAGMA user_version = 9999")
            db.commit()
            db.close()
            failed = self.start_failing(site)
            self.assertEqual(failed.returncode, 1)
            self.assertIn("9999", failed.stderr)

    def test_v11_a_second_daemon_on_the_same_state_is_refused(self):
        with Site() as site:
            site.start("services: {}\n")
            failed = self.start_failing(site)
            self.assertEqual(failed.returncode, 1)
            self.assertIn(str(site.daemon.pid), failed.stderr)


class BadCallers(Case):
    def test_v18_without_a_token_or_with_a_wrong_one(self):
        with Site() as site:
            site.start("services: {}\n")
            status, headers, body = request(site.where["admin"], path="/api/v1/verdicts")
            self.assertEqual((status, headers["content-type"]), (401, "application/problem+json"))
            self.assertIn("www-authenticate", headers)
            self.assertIn(b'"code"', body)
            self.assertEqual(request(site.where["admin"], path="/api/v1/verdicts", headers={"Authorization": "Bearer wrong"})[0], 401)
            status, made = site.api("/api/v1/tokens", "POST", {"name": "viewer", "role": "read"})
            reader = {"Authorization": f"Bearer {made['secret']}", "Content-Type": "application/json"}
            self.assertEqual(request(site.where["admin"], path="/api/v1/verdicts", headers=reader)[0], 200)
            status, headers, _ = request(site.where["admin"], "POST", "/api/v1/config:reload", reader, b"{}")
            self.assertEqual((status, headers["content-type"]), (403, "application/problem+json"))

    def test_v12_without_a_daemon_every_verb_that_needs_it_fails_within_two_seconds_naming_the_address(self):
        verbs = {("list",): 6, ("explain", "x"): 6, ("verify", "x"): 6, ("set", "x", "down", "--for", "1h", "--reason", "r"): 6, ("unset", "x"): 6,
                 ("route", "list"): 6, ("drain", "x"): 6, ("pause", "x"): 6, ("resume", "x"): 6, ("config", "reload"): 6, ("token", "list"): 6,
                 ("check", "x"): 3, ("list", "-o", "nagios"): 3}
        with refusing_address() as address:
            for verb, code in verbs.items():
                with self.subTest(verb):
                    began = time.monotonic()
                    run = subprocess.run([HALE, *verb], capture_output=True, text=True, timeout=20,
                                         env={**os.environ, "HALE_SERVER": address, "HALE_TOKEN": "t"})
                    self.assertLess(time.monotonic() - began, 4)  # Two seconds of waiting, and a sanitized start.
                    self.assertEqual(run.returncode, code, run.stderr)
                    self.assertIn(address, run.stderr + run.stdout)


if __name__ == "__main__":
    unittest.main()
