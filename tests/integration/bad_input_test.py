"""Goal: bad input gets a clear error and nothing is lost (V11, V12, V19).
Method: a table of configurations with the exact place of the fault, at start and at reload; files that vanish or may not be
read; a damaged, locked or newer state.db; calls without a token; a daemon that is not there, that nobody reaches, or that
never answers."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import unittest

from harness import Case, HALE, Site, black_hole_address, refusing_address, request, silent_address, wait_for

# (what, text, the place, words that the message must hold). Lines count from the head that Site.configure writes.
HEAD_LINES = 4
BAD = [
    ("unknown key", "services:\n  web:\n    chekc: {http: /}\n", "3:5", ["services.web.chekc", "check"]),
    ("wrong type", "services:\n  web:\n    instances: 7\n", "3:16", ["services.web.instances"]),
    ("duplicate key", "services:\n  web:\n    hosts: [a]\n    hosts: [b]\n", "4:5", ["hosts", "twice"]),
    ("duplicate service", "services:\n  web:\n    instances: []\n  web:\n    instances: []\n", "4:3", ["web"]),
    ("port out of range", 'services:\n  web:\n    instances: ["10.0.0.1:70000"]\n    check: {http: /}\n', "3:17", ["65535"]),
    ("unset variable", "services:\n  web:\n    instances: [\"${HALE_NO_SUCH_VARIABLE}\"]\n    check: {http: /}\n", "3:17", ["HALE_NO_SUCH_VARIABLE"]),
    ("invalid condition", 'services:\n  web:\n    instances: ["127.0.0.1:1"]\n    check: {http: /, expect: ["[STATUS] == == 2"]}\n', "4:44", ["services.web.check.expect[0]", "column 13"]),
    ("two services on one host", 'services:\n  one:\n    hosts: [same.test]\n    instances: ["127.0.0.1:1"]\n    check: {http: /}\n'
     '  two:\n    hosts: [same.test]\n    instances: ["127.0.0.1:2"]\n    check: {http: /}\n', "7:13", ["same.test", "service one", "service two", "hale.yml:7:13"]),
    ("impossible timing", 'services:\n  a:\n    instances: ["127.0.0.1:1"]\n    check: {http: /, timeout: 6s}\n'
     '  b:\n    instances: ["127.0.0.1:2"]\n    check: {http: /, timeout: 7s}\n'
     '  whole:\n    check: {composite: {of: [a, b], run: sequence, caller_timeout: 10s}}\n', "8:3",
     ["services.whole.checks.main.composite.caller_timeout", "13s (sum: a 6s + b 7s)", "the caller waits 10s"]),
]


class BadConfiguration(Case):
    def refused(self, site, marked, words):
        """What runs goes on, and every surface says that the last reload failed, with its place."""
        reloaded = site.cli("config", "reload")
        self.assertNotEqual(reloaded.returncode, 0)
        for word in (marked, *words):
            self.assertIn(word, reloaded.stdout + reloaded.stderr)
        self.assertEqual(request(site.where["admin"], path="/live")[0], 200)
        self.assertIn("hale_config_last_reload_successful 0", site.api_text("/metrics"))
        self.assertIn(marked, json.dumps(site.api("/api/v1/config")[1]["reload"]))
        self.assertEqual([item["instance"] for item in site.verdicts()], ["kept-1"])

    def test_v19_every_fault_is_refused_with_its_place_at_start_and_at_reload(self):
        good = 'services: {kept: {instances: ["127.0.0.1:9"], check: {http: /}}}\n'
        with Site() as site:
            site.start(good)
            for what, text, place, words in BAD:
                with self.subTest(what):
                    site.configure(text)
                    line, column = place.split(":")
                    marked = f"hale.yml:{int(line) + HEAD_LINES}:{column}"
                    checked = site.cli("config", "check", site.config_path)
                    self.assertNotEqual(checked.returncode, 0)
                    self.assertIn(marked, checked.stdout + checked.stderr)
                    started = subprocess.run([HALE, "serve", "--config", site.config_path], capture_output=True, text=True, timeout=30)
                    self.assertEqual(started.returncode, 2)
                    self.assertIn(marked, started.stderr)
                    self.refused(site, marked, [word.replace("hale.yml:7:", f"hale.yml:{3 + HEAD_LINES}:") for word in words])
            with self.subTest("the file is gone"):
                os.remove(site.config_path)
                self.refused(site, site.config_path, ["no such file"])
            with self.subTest("a folder is in its place"):
                os.mkdir(site.config_path)
                self.refused(site, site.config_path, ["directory"])
                os.rmdir(site.config_path)
            site.configure(good)
            self.assertEqual(site.cli("config", "reload").returncode, 0)
            self.assertIn("hale_config_last_reload_successful 1", site.api_text("/metrics"))

    def test_v19_an_unreadable_file_is_named(self):
        with Site() as site:
            site.configure("services: {}\n")
            # Root may read everything: somebody else has to ask. The binary may lie where only root comes.
            binary = shutil.copy(HALE, site.folder)
            os.chmod(site.folder, 0o755)
            os.chmod(site.config_path, 0o000)
            other = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
            for path, words in ((site.config_path, "ermission"), ("/nonexistent/hale.yml", "no such file")):
                run = subprocess.run([binary, "serve", "--config", path], capture_output=True, text=True, timeout=30, cwd="/", **other)
                self.assertEqual(run.returncode, 2)
                self.assertIn(path, run.stderr)
                self.assertIn(words, run.stderr)


class BadState(Case):
    def start_failing(self, site):
        return subprocess.run([HALE, "serve", "--config", site.config_path], capture_output=True, text=True, timeout=60)

    def stopped_with_backup(self, site):
        """A state that was served once, and a backup of it; returns the paths of both."""
        site.start("services: {}\n")
        site.stop()
        path = os.path.join(site.state, "state.db")
        folder = os.path.join(site.state, "backup")
        shutil.rmtree(folder, ignore_errors=True)  # The daemon's own.
        os.makedirs(folder)
        return path, shutil.copy(path, os.path.join(folder, "state-20260101T000000Z.db"))

    def test_v11_every_start_backs_up_when_the_newest_backup_is_a_day_old(self):
        with Site() as site:
            folder = os.path.join(site.state, "backup")

            def backups():
                return sorted(name for name in os.listdir(folder) if name.endswith(".db")) if os.path.isdir(folder) else []

            def started(count):
                site.start("services: {}\n")
                wait_for(lambda: len(backups()) >= count, f"{count} backups")
                site.stop()
                return backups()

            first = started(1)
            self.assertEqual(len(first), 1)
            self.assertEqual(started(1), first)
            os.rename(os.path.join(folder, first[0]), os.path.join(folder, "state-20260101T000000Z.db"))
            self.assertEqual(len(started(2)), 2)

    def test_v11_a_corrupt_state_stops_the_start_and_names_the_backup(self):
        with Site() as site:
            path, backup = self.stopped_with_backup(site)
            with open(path, "r+b") as db:
                db.seek(4096)
                db.write(os.urandom(8192))
            failed = self.start_failing(site)
            self.assertEqual(failed.returncode, 1)
            self.assertIn(path, failed.stderr)
            self.assertIn(f"--restore {backup}", failed.stderr)
            # And the advice is good: the next start with it serves.
            site.start(extra=["--restore", backup])

    def test_v11_a_newer_state_is_refused_and_names_the_backup(self):
        with Site() as site:
            path, backup = self.stopped_with_backup(site)
            db = sqlite3.connect(path)
            db.execute("PRAGMA user_version = 9999")
            db.commit()
            db.close()
            failed = self.start_failing(site)
            self.assertEqual(failed.returncode, 1)
            for word in (path, "9999", backup):
                self.assertIn(word, failed.stderr)

    def test_v11_a_state_that_another_program_holds_locked_is_refused_and_names_the_backup(self):
        with Site() as site:
            path, backup = self.stopped_with_backup(site)
            holder = site.run([sys.executable, "-c", "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
                               "db.execute('BEGIN EXCLUSIVE')\nprint('locked', flush=True)\nsys.stdin.read()", path],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.assertEqual(holder.stdout.readline(), "locked\n")
            failed = self.start_failing(site)
            self.assertEqual(failed.returncode, 1)
            for word in (path, "locked", "another program", backup):
                self.assertIn(word, failed.stderr)
            self.assertNotIn("--restore", failed.stderr)  # Nothing is lost.
            holder.stdin.close()
            holder.wait(20)
            site.start()

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
            status, headers, body = request(site.where["admin"], path="/api/v1/verdicts", headers={"Authorization": "Bearer wrong"})
            self.assertEqual((status, headers["content-type"], json.loads(body)["status"]), (401, "application/problem+json", 401))
            self.assertTrue(json.loads(body)["code"])
            self.assertIn("www-authenticate", headers)
            status, made = site.api("/api/v1/tokens", "POST", {"name": "viewer", "role": "read"})
            reader = {"Authorization": f"Bearer {made['secret']}", "Content-Type": "application/json"}
            self.assertEqual(request(site.where["admin"], path="/api/v1/verdicts", headers=reader)[0], 200)
            status, headers, _ = request(site.where["admin"], "POST", "/api/v1/config:reload", reader, b"{}")
            self.assertEqual((status, headers["content-type"]), (403, "application/problem+json"))

    VERBS = {("list",): 6, ("explain", "x"): 6, ("verify", "x"): 6, ("set", "x", "down", "--for", "1h", "--reason", "r"): 6, ("unset", "x"): 6,
             ("route", "list"): 6, ("drain", "x"): 6, ("pause", "x"): 6, ("resume", "x"): 6, ("config", "reload"): 6, ("token", "list"): 6,
             ("watch", "x"): 6, ("check", "x"): 3, ("list", "-o", "nagios"): 3}

    def ask(self, verb, address):
        environment = {**os.environ, "HALE_SERVER": address, "HALE_TOKEN": "t"}
        began = time.monotonic()
        run = subprocess.run([HALE, *verb], capture_output=True, text=True, timeout=20, env=environment)
        return run, time.monotonic() - began

    def sanitized_start(self):
        """How long the program takes to say its version: what is not waiting."""
        return max(self.ask(("version",), "127.0.0.1:1")[1] for _ in range(3))

    def test_v12_without_a_daemon_every_verb_that_needs_it_fails_within_two_seconds_naming_the_address(self):
        start = self.sanitized_start()
        # A port that refuses, and an address that swallows whoever knocks.
        for place in (refusing_address, black_hole_address):
            with place() as address:
                for verb, code in self.VERBS.items():
                    with self.subTest(f"{verb} at {place.__name__}"):
                        run, took = self.ask(verb, address)
                        self.assertLess(took, 2 + start)
                        self.assertEqual(run.returncode, code, run.stderr)
                        self.assertIn(address, run.stderr + run.stdout)

    def test_v12_a_daemon_that_takes_the_connection_and_says_nothing_is_given_up_after_two_seconds(self):
        start = self.sanitized_start()
        with silent_address() as address:
            for verb, code in self.VERBS.items():
                with self.subTest(verb):
                    run, took = self.ask(verb, address)
                    self.assertEqual(run.returncode, code, run.stderr)
                    self.assertIn(address, run.stderr + run.stdout)
                    self.assertIn("not answered within 2", run.stderr + run.stdout)
                    self.assertLess(took, 2 + 1 + start)


if __name__ == "__main__":
    unittest.main()
