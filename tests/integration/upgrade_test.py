"""Goal: a new version takes over without a refused connection, a lost request, a lost verdict or a lost mutation (V20), and
one that cannot take over costs nothing at all.
Method: the real daemon replaced ten times in a row under 500 requests a second, on kept and fresh connections, with a download
that spans every upgrade and the API asked and changed all the time; then successors that die, hang, are killed at seeded
moments or stopped inside the window, and configurations that are wrong. Beside all of it, at a daemon of its own, goes a
download of HALE_DOWNLOAD_SECONDS (60) that an upgrade falls into: every byte of it arrives, at the pace at which it is sent."""

import contextlib
import hashlib
import http.client
import json
import os
import random
import signal
import ssl
import sys
import threading
import time
import unittest

from harness import ROOT, Case, request, wait_for
from successors import Dynasty, Load, Watcher, tcp_live, text_of, unix_live

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from authority import Authority  # noqa: E402

WINDOW_TRIES = 30
DOWNLOAD = int(os.environ.get("HALE_DOWNLOAD_SECONDS", "60"))
LONGEST_PAUSE = 5.0  # Seconds between two pieces of what is sent ten times a second, on a machine that others use.
CONFIG = """
{more}defaults: {{check: {{interval: 300ms, timeout: 2s}}}}
services:
  web: {{hosts: [web.test], instances: ["{a}", "{b}"], check: {{http: /up}}}}
  sick: {{hosts: [sick.test], instances: ["{refusing}"], check: {{http: /up}}}}
"""


def configured(site, more=""):
    site.start(CONFIG.format(a=site.demo("a").address, b=site.demo("b").address, refusing="127.0.0.1:9", more=more))
    site.wait_state("web-1", "healthy")
    site.wait_state("web-2", "healthy")
    site.wait_state("sick-1", "unhealthy")
    return site


def download(site, seconds, out):
    try:
        out["status"], _, out["body"] = request(site.where["http"], path=f"/stream?seconds={seconds}", headers={"Host": "web.test"}, timeout=seconds + 60)
    except Exception as error:
        out["error"] = repr(error)


def listening(pid):
    """The sockets that a process listens on, by inode: {inode: address or path}."""
    held = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            held.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    found = {}
    for line in text_of("/proc/net/tcp").splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in held:
            found[fields[9]] = f"127.0.0.1:{int(fields[1].split(':')[1], 16)}"
    for line in text_of("/proc/net/unix").splitlines()[1:]:
        fields = line.split()
        if fields[3] == "00010000" and len(fields) == 8 and f"socket:[{fields[6]}]" in held:
            found[fields[6]] = fields[7]
    return found


def audited(site, count):
    """What the audit has of upgrades, oldest first, once there is so much."""
    def entries():
        found = [one | {"detail": json.loads(one["detail"])} for one in site.api("/api/v1/audit?limit=100")[1]["items"] if one["action"] == "upgrade"]
        return found[::-1] if len(found) >= count else None

    return wait_for(entries, f"{count} entries of upgrades in the audit", 10)


class Mutations:
    """Overrides one after the other: each is acknowledged, or refused as `upgrading`; nothing else."""

    def __init__(self, site):
        self.site, self.number, self.acknowledged, self.refused, self.revision = site, 0, None, 0, 0

    def __call__(self):
        self.number += 1
        body = json.dumps({"state": "up", "for": 600, "reason": f"reason {self.number}"}).encode()
        status, headers, text = request(self.site.where["admin"], "PUT", "/api/v1/services/sick/override",
                                        {"Authorization": f"Bearer {self.site.token}", "Content-Type": "application/json"}, body, 30)
        answer = json.loads(text)
        if status == 200:
            if answer["revision"] <= self.revision:
                return f"revision {answer['revision']} after {self.revision}"
            self.acknowledged, self.revision = f"reason {self.number}", answer["revision"]
            return None
        if status == 503 and answer["code"] == "upgrading" and "retry-after" in headers:
            self.refused += 1
            return None
        return f"{status} {text[:200]}"


class Reads:
    """Verdicts keep ids, generations and states, and versions and revisions go up only."""

    def __init__(self, site):
        self.site, self.revision, self.known, self.upgrading = site, 0, {}, 0

    def __call__(self):
        status, answer = self.site.api("/api/v1/verdicts", ok=False)
        if status == 503 and answer["code"] == "upgrading":
            self.upgrading += 1
            return None
        if status != 200:
            return f"{status} {answer}"
        if answer["revision"] < self.revision:
            return f"revision {answer['revision']} after {self.revision}"
        self.revision = answer["revision"]
        for item in answer["items"]:
            now = (item["id"], item["generation"], item["state"], item["version"])
            before = self.known.setdefault(item["instance"], now)
            if now[:3] != before[:3] or now[3] < before[3]:
                return f"{item['instance']}: {before} became {now}"
            self.known[item["instance"]] = now
        return None


class LongDownload:
    """A daemon of its own that hands over while a download goes on. Begun with the first test that asks, awaited by the last."""

    begun = None

    @classmethod
    def of_the_module(cls):
        if cls.begun is None:
            cls.begun = cls()
            unittest.addModuleCleanup(cls.begun.held.close)
        return cls.begun

    def __init__(self):
        self.held = contextlib.ExitStack()
        self.site = configured(self.held.enter_context(Dynasty()), more=f"drain_timeout: {DOWNLOAD + 60}s\n")
        self.body, self.came, self.wrong, self.ended = b"", [], None, None
        before = self.site.api("/api/v1/verdicts")[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        self.held.callback(self.thread.join)  # Ends by itself: it has a time limit.
        wait_for(lambda: self.came or not self.thread.is_alive(), "the download to begin", 10)
        self.left = self.site.upgrade()
        self.upgraded = time.monotonic()
        # Who asks right after the answer may meet the old one yet, which says that it is upgrading.
        after = wait_for(lambda: (read := self.site.api("/api/v1/verdicts", ok=False))[0] == 200 and read[1], "verdicts of the new one", 10)
        self.kept = [[(i["id"], i["generation"], i["state"]) for i in one["items"]] for one in (before, after)]

    def run(self):
        try:
            host, port = self.site.where["http"].rsplit(":", 1)
            connection = http.client.HTTPConnection(host, int(port), timeout=30)
            with contextlib.closing(connection):
                connection.request("GET", f"/stream?seconds={DOWNLOAD}", headers={"Host": "web.test"})
                answer = connection.getresponse()
                assert answer.status == 200, answer.status
                while piece := answer.read1():
                    self.body += piece
                    self.came.append(time.monotonic())
        except Exception as error:
            self.wrong = repr(error)
        self.ended = time.monotonic()


class Upgrade(Case):
    def test_v20_ten_in_a_row_under_load_lose_nothing(self):
        with Dynasty() as site:
            configured(site)
            mutations, reads = Mutations(site), Reads(site)
            where = dict(site.where)
            pids, downloads = {site.daemon.pid}, []
            with Load(where["http"], "web.test") as load, Watcher(mutations) as changes, Watcher(reads) as readings, \
                    Watcher(lambda: tcp_live(where["admin"])) as admin, Watcher(lambda: unix_live(where["socket"])) as unix:
                for _ in range(10):
                    out = {}
                    thread = threading.Thread(target=download, args=(site, 2, out))
                    thread.start()
                    downloads.append((thread, out))
                    before = load.answered
                    wait_for(lambda: load.answered > before + 50, "load to go on", 30)
                    left = site.upgrade()
                    self.assertEqual(site.where, {**where, "pid": site.daemon.pid})
                    self.assertEqual(left.wait(40), 0, "who was left behind ends in order")
                    pids.add(site.daemon.pid)
                for thread, _ in downloads:
                    thread.join()
            self.assertEqual(len(pids), 11)
            self.assertEqual(load.failed, [], f"of {load.answered}")
            self.assertGreater(load.answered, 1000)
            for watcher in (changes, readings, admin, unix):
                self.assertEqual(watcher.wrong[:5], [])
                self.assertGreater(watcher.asked, 50)
            for _, out in downloads:
                self.assertEqual(out.get("status"), 200, out)
                self.assertEqual(out["body"].count(b"\n"), 20, out["body"][-100:])
            # What was acknowledged last is what is there.
            override = site.api("/api/v1/services/sick/verdict")[1]["override"]
            self.assertEqual(override["reason"], mutations.acknowledged)
            print(f"{load.answered} requests, {mutations.number} mutations of which {mutations.refused} met the window, {readings.asked} reads")
            # Checks go on: evidence is newer than the last upgrade.
            seen = site.verdict("web-1")["observed_at"]
            wait_for(lambda: site.verdict("web-1")["observed_at"] > seen, "a probe by the last one", 10)

    def test_another_number_of_workers_serves_every_socket(self):
        with Dynasty() as site:
            configured(site)
            with open(site.config_path) as file:
                text = file.read()
            for workers in (4, 1, 3):
                with open(site.config_path + ".new", "w") as out:
                    out.write(text.replace("workers: 2", f"workers: {workers}"))
                os.replace(site.config_path + ".new", site.config_path)
                with Load(site.where["http"], "web.test", rate=200, threads=4) as load:
                    wait_for(lambda: load.answered > 30, "load", 20)
                    self.assertEqual(site.upgrade().wait(40), 0)
                    before = load.answered
                    wait_for(lambda: load.answered > before + 100, "load to go on", 20)
                self.assertEqual(load.failed, [])

    def test_listeners_over_tls_are_handed_on_too(self):
        with Dynasty() as site:
            authority = Authority(site.folder)
            chain, key = authority.issue("web", ["web.test"])
            site.configure(f"tls: {{certificates: [{{chain: {chain}, key: {key}}}]}}\n" + CONFIG.format(a=site.demo("a").address, b=site.demo("b").address, refusing="127.0.0.1:9", more=""))
            with open(site.config_path) as file:
                text = file.read()
            with open(site.config_path, "w") as out:
                out.write(text.replace('listen: {http: "127.0.0.1:0",', 'listen: {http: "127.0.0.1:0", https: "127.0.0.1:0",'))
            site.start()
            site.wait_state("web-1", "healthy")
            where = dict(site.where)
            # The very sockets: what waits in the queue of one that is closed is lost.
            sockets = listening(site.daemon.pid)
            self.assertEqual(sorted(sockets.values()), sorted([where["http"], where["http"], where["https"], where["https"], where["admin"], where["socket"]]))
            trust = ssl.create_default_context(cafile=authority.path)
            with Load(where["https"], "web.test", rate=100, threads=4, tls=trust) as load:
                for _ in range(3):
                    before = load.answered
                    wait_for(lambda: load.answered > before + 50, "load to go on", 30)
                    self.assertEqual(site.upgrade().wait(40), 0)
                    self.assertEqual(site.where, {**where, "pid": site.daemon.pid})
                    self.assertEqual(listening(site.daemon.pid), sockets)
            self.assertEqual(load.failed, [])

    def test_the_command_line_says_who_took_over_and_sigusr2_does_the_same(self):
        with Dynasty() as site:
            configured(site)
            ran = site.cli("upgrade", "-o", "json")
            self.assertEqual(ran.returncode, 0, ran.stderr)
            before = site.succeed(json.loads(ran.stdout)["pid"])
            # Who asked, by the old process; that it was done, by the new one, under the same name.
            begun, done = audited(site, 2)
            self.assertEqual((begun["detail"], done["detail"]), ({"outcome": "begun"}, {"outcome": "done"}))
            self.assertEqual(begun["actor"], done["actor"])
            self.assertEqual(begun["object"], site.binary)
            self.assertIn("hale ", done["object"])
            self.assertEqual(before.wait(40), 0)
            pid = site.daemon.pid
            os.kill(pid, signal.SIGUSR2)
            wait_for(lambda: site.listen_json().get("pid", pid) != pid, "another daemon", 60)
            self.assertEqual(site.succeed(site.listen_json()["pid"]).wait(40), 0)
            self.assertEqual(site.traffic("web.test")[0], 200)
            self.assertEqual([one["actor"] for one in audited(site, 4)[2:]], ["signal", "signal"])


class Refused(Case):
    """Successors that fail; after each the old one serves, checks and takes mutations."""

    @classmethod
    def setUpClass(cls):
        LongDownload.of_the_module()

    def goes_on(self, site, pid):
        self.assertIsNone(site.daemon.poll())
        self.assertEqual(site.listen_json()["pid"], pid)
        self.assertEqual(site.traffic("web.test")[0], 200)
        status, answer = site.api("/api/v1/services/web/override", "PUT", {"state": "up", "for": 60, "reason": "still here"}, ok=False)
        self.assertEqual(status, 200, answer)
        site.api("/api/v1/services/web/override", "DELETE")
        seen = site.verdict("web-1")
        self.assertEqual(seen["state"], "healthy")
        wait_for(lambda: site.verdict("web-1")["observed_at"] > seen["observed_at"], "checks to go on", 10)
        self.assertFalse(os.path.exists(os.path.join(site.state, "takeover.sock")))

    def test_one_that_dies_at_once_or_is_not_there_or_is_no_program(self):
        with Dynasty() as site:
            configured(site)
            pid = site.daemon.pid
            site.install("echo 'cannot do this' >&2; exit 3")
            status, answer = site.ask_upgrade()
            self.assertEqual((status, answer["code"]), (500, "upgrade_failed"))
            self.assertIn("ended with 3 before it served", answer["detail"])
            self.assertIn("cannot do this", site.log_text())
            self.goes_on(site, pid)
            begun, failed = audited(site, 2)
            self.assertEqual((begun["detail"]["outcome"], failed["detail"]["outcome"]), ("begun", "failed"))
            self.assertIn("ended with 3", failed["detail"]["why"])
            os.remove(site.binary)
            self.assertIn("no such file", site.ask_upgrade()[1]["detail"])
            self.goes_on(site, pid)
            site.install("exec HALE version")  # A program that is no daemon.
            self.assertIn("ended with 0 before it served", site.ask_upgrade()[1]["detail"])
            self.goes_on(site, pid)
            site.install()
            self.assertEqual(site.upgrade().wait(40), 0)

    def test_one_that_hangs_is_killed_in_time_and_a_second_asking_is_refused_meanwhile(self):
        with Dynasty() as site:
            configured(site)
            pid = site.daemon.pid
            site.install("echo $$ > %s/hung; exec tail -f /dev/null --pid=%d # --takeover" % (site.folder, os.getpid()))
            out = {}
            thread = threading.Thread(target=lambda: out.update(zip(("status", "answer"), site.ask_upgrade())))
            began = time.monotonic()
            thread.start()
            wait_for(lambda: os.path.exists(os.path.join(site.folder, "hung")), "it to hang", 20)
            status, answer = site.ask_upgrade()
            self.assertEqual((status, answer["code"]), (409, "conflict"))
            self.assertIn("an upgrade is under way", answer["detail"])
            self.goes_on_meanwhile(site)
            thread.join(60)
            self.assertLess(time.monotonic() - began, 45)
            self.assertEqual(out["status"], 500)
            self.assertIn("not ready within 30 s", out["answer"]["detail"])
            self.goes_on(site, pid)
            with open(os.path.join(site.folder, "hung")) as text:
                hung = int(text.read())
            self.assertFalse(os.path.exists(f"/proc/{hung}"), "it was killed")

    def goes_on_meanwhile(self, site):
        """Until the new one is ready nothing is refused."""
        self.assertEqual(site.traffic("web.test")[0], 200)
        site.api("/api/v1/services/web/override", "PUT", {"state": "up", "for": 60, "reason": "meanwhile"})
        site.api("/api/v1/services/web/override", "DELETE")

    def test_an_invalid_configuration_and_a_state_that_moved_are_told_with_their_reason(self):
        with Dynasty() as site:
            configured(site)
            pid = site.daemon.pid
            with open(site.config_path) as file:
                good = file.read()
            for text, reason in ((good.replace("interval: 300ms", "interval: soon"), "hale.yml:"), (good.replace(f"state: {site.state}", f"state: {site.folder}/other"), "to move it")):
                site.put_configuration(text)
                status, answer = site.ask_upgrade()
                self.assertEqual(status, 500)
                self.assertIn(reason, answer["detail"])
                site.put_configuration(good)
                wait_for(lambda: site.api("/api/v1/config")[1]["reload"]["ok"], "the good file to be in force", 20)
                self.goes_on(site, pid)
            ran = site.cli("upgrade")
            self.assertEqual(ran.returncode, 0, ran.stderr)
            site.succeed(int(ran.stderr.split("process ")[1].split(";")[0]))

    def test_killed_at_any_moment_it_leaves_the_old_one_serving(self):
        seed = int(os.environ.get("HALE_SEED", random.SystemRandom().randrange(1 << 31)))
        print(f"HALE_SEED={seed}")
        chance = random.Random(seed)
        with Dynasty() as site:
            configured(site)
            killed = upgraded = 0
            with Load(site.where["http"], "web.test", rate=100, threads=2) as load:
                for _ in range(int(os.environ.get("HALE_KILLS", "12"))):
                    pid = site.daemon.pid
                    known = site.children(pid)
                    out = {}
                    thread = threading.Thread(target=lambda: out.update(zip(("status", "answer"), site.ask_upgrade())))
                    thread.start()
                    successor = site.successor(pid, known)
                    thread.join(chance.uniform(0, 0.17))
                    # Stopped first: then it is known whether it had served when it was killed.
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(successor, signal.SIGSTOP)
                        thread.join(0.3)
                        os.kill(successor, signal.SIGKILL if thread.is_alive() else signal.SIGCONT)
                    thread.join(60)
                    if out.get("status") == 200:
                        self.assertEqual(site.succeed(successor).wait(40), 0)
                        upgraded += 1
                        continue
                    killed += 1
                    self.assertEqual(out["status"], 500, out)
                    self.goes_on(site, pid)
            self.assertEqual(load.failed, [])
            self.assertGreater(killed, 0)
            print(f"{killed} killed, {upgraded} upgraded before")

    def test_in_the_window_traffic_and_reads_go_on_mutations_are_refused_and_a_kill_undoes_it(self):
        with Dynasty() as site:
            configured(site)
            mutations = Mutations(site)
            # The window is milliseconds long: one mutation after the other until one falls into it; an upgrade that was faster
            # than all of them has happened, and the next one is tried.
            for _ in range(WINDOW_TRIES):
                pid = site.daemon.pid
                known = site.children(pid)
                out = {}
                thread = threading.Thread(target=lambda out=out: out.update(zip(("status", "answer"), site.ask_upgrade())))
                thread.start()
                successor = site.successor(pid, known)
                mutations.refused = 0
                while thread.is_alive() and mutations.refused == 0:
                    self.assertIsNone(mutations())
                # The new one has the state but does not go on: the window stays open, unless it was over already.
                os.kill(successor, signal.SIGSTOP)
                thread.join(0.3)
                if thread.is_alive():
                    break
                os.kill(successor, signal.SIGCONT)
                self.assertEqual(out["status"], 200, out)
                self.assertEqual(site.succeed(successor).wait(40), 0)
            self.assertTrue(thread.is_alive(), f"no mutation met the window of {WINDOW_TRIES} upgrades")
            self.assertGreater(mutations.refused, 0)
            refused = mutations.refused
            for _ in range(20):
                self.assertEqual(site.traffic("web.test")[0], 200)
            self.assertEqual(site.api("/api/v1/verdicts")[0], 200)
            self.assertIsNone(mutations())
            self.assertEqual(mutations.refused, refused + 1)
            status, answer = site.api("/api/v1/services/web:verify", "POST", {}, ok=False)
            self.assertEqual((status, answer["code"]), (503, "upgrading"))
            status, answer = site.api("/api/v1/instances/web-1:check", "POST", {}, ok=False)
            self.assertEqual((status, answer["code"]), (503, "upgrading"))
            os.kill(successor, signal.SIGKILL)
            thread.join(60)
            self.assertEqual(out["status"], 500, out)
            self.goes_on(site, pid)
            self.assertEqual(site.api("/api/v1/services/sick/verdict")[1]["override"]["reason"], mutations.acknowledged)


class WithinALongDownload(Case):
    """By its name the last of the module."""

    def test_v20_a_long_download_that_an_upgrade_falls_into_arrives_whole(self):
        long = LongDownload.of_the_module()
        long.thread.join(DOWNLOAD + 60)
        self.assertIsNone(long.wrong, f"after {len(long.body)} bytes")
        name = long.body[:1].decode()  # Of the instance that sends it: lines that count down to 0.
        whole = "".join(f"{name} {left}\n" for left in reversed(range(DOWNLOAD * 10))).encode()
        self.assertEqual(hashlib.sha256(long.body).hexdigest(), hashlib.sha256(whole).hexdigest(), long.body[-100:])
        self.assertEqual(long.kept[0], long.kept[1])
        longest = max(b - a for a, b in zip(long.came, long.came[1:]))
        self.assertLess(long.came[0], long.upgraded)
        self.assertGreater(long.came[-1] - long.upgraded, 0.8 * DOWNLOAD - 5, "most of it came after the upgrade")
        self.assertLess(longest, LONGEST_PAUSE)
        self.assertEqual(long.left.wait(40), 0, "who was left behind ends in order")
        self.assertEqual(long.site.traffic("web.test")[0], 200)
        print(f"{len(long.body)} bytes in {long.ended - long.came[0]:.1f} s, of which {long.ended - long.upgraded:.1f} s after the upgrade; longest pause {longest * 1000:.0f} ms")


if __name__ == "__main__":
    unittest.main()
