"""Goal: what an operator does with containers by hand, through the daemon alone: sees them and why they stopped, reads what they
write, runs a command in one, stops and starts one without losing a request, and watches a deployment on a terminal.
Method: a Docker Engine of this test's own, images of a few files around busybox, load while an instance is started anew; a
pseudo-terminal that reads what is drawn."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from containers import LATE, SERVED_AT_ONCE, EngineCase
from harness import Site, request, wait_for
from successors import Load

TALKS = '["/bin/sh", "-c", "i=0; (while true; do i=$((i+1)); echo line $i; echo trouble $i >&2; /bin/busybox sleep 0.2; done) & exec /bin/busybox httpd -f -p 3000 -h /www"]'
FLOODS = '["/bin/sh", "-c", "(while true; do echo 0123456789012345678901234567890123456789012345678901234567890123456789; done) & exec /bin/busybox httpd -f -p 3000 -h /www"]'


class ContainersByHand(EngineCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image("talks:1", TALKS)
        cls.image("floods:1", FLOODS)

    def ok(self, site, *arguments, code=0, timeout=120):
        done = site.cli(*arguments, timeout=timeout)
        self.assertEqual(done.returncode, code, f"{arguments}\n{done.stdout}{done.stderr}")
        return done

    def told(self, site, *more):
        return {one["name"]: one for one in json.loads(self.ok(site, "ps", "-o", "json", *more).stdout)["items"]}

    def audit(self, site):
        return [entry for entry in site.api("/api/v1/audit?limit=100")[1]["items"]]

    def test_ps_shows_containers_with_their_verdicts_and_why_they_stopped(self):
        with Site() as site:
            self.start(site, ", replicas: 2")
            self.assertEqual(self.ok(site, "ps").stderr, "no containers run; --all shows stopped ones too\n")
            self.ok(site, "deploy", "web")
            self.engine.docker("run", "-d", "--network", "none", "--name", "stranger", "web:1")
            now = self.told(site)
            self.assertEqual(sorted(now), ["web-1-1", "web-1-2"], "the stranger is nobody's")
            one = now["web-1-1"]
            self.assertEqual((one["state"], one["verdict"], one["number"], one["image"], one["eligible"]), ("running", "healthy", 1, "web:1", True))
            self.assertGreater(one["uptime"], 0)
            self.ok(site, "deploy", "web", "--image", "web:2")
            stopped = self.told(site, "web", "--all")["web-1-1"]
            self.assertEqual((stopped["state"], stopped["stopped"]["code"], stopped["verdict"]), ("exited", "by_hale", None))
            self.assertNotIn("web-1-1", self.told(site))
            # Killed by somebody; not restarted, since that somebody was the operator of the engine.
            self.engine.docker("kill", "web-2-2")
            wait_for(lambda: "web-2-2" not in self.told(site), "it to be gone")
            killed = self.told(site, "--all")["web-2-2"]
            self.assertEqual((killed["exit_code"], killed["stopped"]["code"]), (137, "killed"))
            table = self.ok(site, "ps", "--all").stdout
            self.assertIn("exit code 137: killed (SIGKILL)", table)
            self.assertIn("stopped by hale", table)
            self.assertEqual(self.ok(site, "ps", "wbe", code=3).stderr, 'hale: there is no service "wbe"; did you mean web?\n')

    def test_logs_of_several_containers_are_followed_to_their_end(self):
        with Site() as site:
            self.start(site, ", replicas: 2")
            self.ok(site, "deploy", "web", "--image", "talks:1")
            wait_for(lambda: "line 5" in site.cli("logs", "web-1-1").stdout, "five lines")
            some = self.ok(site, "logs", "web-1-1", "--tail", "3").stdout.splitlines()
            self.assertEqual(len(some), 3)
            self.assertRegex(some[0], r"^(line|trouble) \d+$")
            both = self.ok(site, "logs", "web", "--tail", "2").stdout.splitlines()
            self.assertEqual([line.split(" | ")[0] for line in both], ["web-1-1"] * 2 + ["web-1-2"] * 2)
            # They talk on meanwhile.
            whole = self.ok(site, "logs", "web").stdout.splitlines()
            self.assertLess(len(self.ok(site, "logs", "web", "--since", "0s").stdout.splitlines()), len(whole) / 2)
            stamped = self.ok(site, "logs", "web-1-1", "--tail", "1", "--timestamps").stdout
            self.assertRegex(stamped, r"^20\d\d-\d\d-\d\dT\S+Z (line|trouble) \d+\n$")

            env = {**os.environ, "HALE_SERVER": site.where["admin"], "HALE_TOKEN": site.token, "NO_COLOR": "1"}
            following = site.run([site.binary, "logs", "web", "--follow", "--tail", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
            seen = [following.stdout.readline() for _ in range(20)]
            self.assertTrue({"web-1-1", "web-1-2"} <= {line.split(" | ")[0] for line in seen}, seen)
            # One of them goes: the other is followed on. Then that one: it is over.
            self.engine.docker("stop", "-t", "1", "web-1-1")
            while "web-1-2" not in following.stdout.readline():
                pass
            self.engine.docker("stop", "-t", "1", "web-1-2")
            following.stdout.read()
            self.assertEqual(following.wait(30), 0, following.stderr.read())
            following.stderr.close()
            site.processes.remove(following)
            following.stdout.close()
            # What is stopped can be read.
            self.assertIn("line", self.ok(site, "logs", "web-1-1", "--follow").stdout)
            self.assertIn("none of Hale's", self.foreign(site, "logs", "stranger", code=4).stderr)
            self.assertEqual(self.ok(site, "logs", "nothing", code=3).stdout, "")

    def foreign(self, site, *arguments, code):
        self.engine.docker("run", "-d", "--network", "none", "--name", "stranger", "web:1")
        return self.ok(site, *arguments, code=code)

    def test_a_reader_who_does_not_read_costs_no_memory_and_ctrl_c_ends_it(self):
        with Site() as site:
            self.start(site)
            self.ok(site, "deploy", "web", "--image", "floods:1")

            def resident():
                with open(f"/proc/{site.daemon.pid}/statm") as text:
                    return int(text.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

            env = {**os.environ, "HALE_SERVER": site.where["admin"], "HALE_TOKEN": site.token, "NO_COLOR": "1"}
            before = resident()
            following = site.run([site.binary, "logs", "web", "--follow"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
            self.assertTrue(following.stdout.readline().startswith(b"0123"))
            # Nobody reads: the pipe is full, then the socket, then the daemon makes the engine wait.
            # What was freed on the way stays with the sanitizer for a while: so it is the growth that has to end.
            def grown(seconds):
                first, deadline = resident(), time.monotonic() + seconds
                while time.monotonic() < deadline:
                    self.assertEqual(request(site.where["admin"], path="/live")[0], 200)
                return resident() - first

            wait_for(lambda: grown(1) < 1 << 20, "its memory to stay as it is", 30)
            self.assertLess(grown(4), 4 << 20)
            self.assertLess(resident() - before, 512 << 20)
            self.assertEqual(site.end(following, signal.SIGINT), 130)
            site.processes.remove(following)
            following.stdout.close()
            self.engine.docker("rm", "-f", "web-1-1")

    def test_exec_is_the_commands_own_end_and_in_the_audit(self):
        with Site() as site:
            self.start(site)
            self.ok(site, "deploy", "web")
            done = self.ok(site, "exec", "web-1-1", "--", "/bin/sh", "-c", "echo out; echo err >&2; exit 7", code=7)
            self.assertEqual((done.stdout, done.stderr), ("out\n", "err\n"))
            told = json.loads(self.ok(site, "exec", "-o", "json", "web-1-1", "--", "/bin/busybox", "cat", "/www/index.html").stdout)
            self.assertEqual((told["exit_code"], told["output"]), (0, "web:1\n"))
            self.assertEqual(self.ok(site, "exec", "web-1-1", "--user", "7:8", "--folder", "/www", "--", "/bin/sh", "-c", "pwd; /bin/busybox id -u").stdout, "/www\n7\n")
            entry = [one for one in self.audit(site) if one["action"].endswith(":exec")][-1]
            self.assertEqual(entry["object"], "web-1-1")
            self.assertNotIn("exit 7", json.dumps(self.audit(site)), "what is said to a program may be a secret")
            began = time.monotonic()
            late = self.ok(site, "exec", "web-1-1", "--timeout", "1s", "--", "/bin/busybox", "sleep", "60", code=5)
            self.assertIn("did not end within 1", late.stderr)
            self.assertLess(time.monotonic() - began, 15)
            big = self.ok(site, "exec", "web-1-1", "--", "/bin/sh", "-c", "/bin/busybox yes | /bin/busybox head -c 300000")
            self.assertEqual(len(big.stdout), 64 << 10)
            self.assertIn("more than 64 KiB", big.stderr)
            self.assertIn("none of Hale's", self.foreign(site, "exec", "stranger", "--", "/bin/busybox", "ls", code=4).stderr)
            self.ok(site, "exec", "nothing", "--", "/bin/busybox", "ls", code=3)
            self.assertIn(site.cli("exec", "web-1-1", "--", "/bin/nothing").returncode, (126, 127), "as engines say it")
            token = json.loads(self.ok(site, "token", "create", "op", "--role", "operate", "-o", "json").stdout)["secret"]
            refused = site.cli("exec", "web-1-1", "--", "/bin/busybox", "ls", environment={"HALE_TOKEN": token})
            self.assertEqual(refused.returncode, 4, refused.stderr)

    def test_v20_an_instance_is_started_anew_under_load_without_a_lost_request(self):
        with Site() as site:
            self.start(site, ", replicas: 2")
            self.ok(site, "deploy", "web")
            with Load(site.where["http"], "web.test", rate=100, threads=SERVED_AT_ONCE) as load:
                for name in ("web-1-1", "web-1-2", "web-1-1"):
                    began = time.monotonic()
                    done = self.ok(site, "instance", "restart", name)
                    self.assertIn(f"restart of {name}: at most 2m00s", done.stderr)
                    self.assertIn("eligible", done.stdout)
                    print(f"{name}: {time.monotonic() - began:.2f} s; {done.stdout.splitlines()[-1]}")
                    self.assertEqual(self.told(site)[name]["verdict"], "healthy")
                self.ok(site, "instance", "stop", "web-1-1")
                stopped = self.told(site, "--all")["web-1-1"]
                self.assertEqual((stopped["stopped"]["code"], stopped["lifecycle"]), ("by_hale", "draining"))
                last = self.ok(site, "instance", "stop", "web-1-2", code=1)
                self.assertIn("web-1-2 is the last eligible instance of web", last.stderr)
                self.assertIn("--force", last.stderr)
                self.ok(site, "instance", "start", "web-1-1")
                self.assertTrue(self.told(site)["web-1-1"]["eligible"])
            self.assertEqual(load.failed[:5], [])
            self.assertGreater(load.answered, 300)
            actions = [entry["action"] for entry in self.audit(site)]
            self.assertIn("POST /api/v1/instances/web-1-1:restart", actions)
            self.assertIn("POST /api/v1/instances/web-1-1:stop", actions)
            # By force, and back.
            self.ok(site, "instance", "stop", "web-1-1")
            self.ok(site, "instance", "stop", "web-1-2", "--force")
            self.assertEqual(site.traffic("web.test")[0], 503)
            self.ok(site, "instance", "start", "web-1-2")
            self.assertEqual(site.traffic("web.test")[0], 200)
            # What was left stopped goes with the next version.
            self.ok(site, "deploy", "web", "--image", "web:2")
            wait_for(lambda: sorted(one["instance"] for one in site.verdicts()) == ["web-2-1", "web-2-2"], "the old ones to be gone")
            self.ok(site, "instance", "start", "web-1-1", code=3)

    def test_by_hand_and_by_deployment_are_never_at_once(self):
        self.image("late:1", LATE)
        with Site() as site:
            self.start(site, ", replicas: 2")
            self.ok(site, "deploy", "web")
            begun = json.loads(self.ok(site, "deploy", "web", "--image", "late:1", "--detach", "-o", "json").stdout)["deployment"]
            wait_for(lambda: "web-2-2" in self.told(site), "its containers")
            refused = self.ok(site, "instance", "restart", "web-1-1", code=1)
            self.assertIn('a deployment of service "web" is under way', refused.stderr)
            for name in ("web-2-1", "web-2-2"):
                self.ok(site, "exec", name, "--", "/bin/sh", "-c", "echo > /go")
            self.ok(site, "deployments", "follow", begun)
            # An instance that takes its time keeps a deployment away.
            self.ok(site, "exec", "web-2-1", "--", "/bin/busybox", "rm", "/go")
            env = {**os.environ, "HALE_SERVER": site.where["admin"], "HALE_TOKEN": site.token, "NO_COLOR": "1"}
            acting = site.run([site.binary, "instance", "restart", "web-2-1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
            wait_for(lambda: site.verdict("web-2-1")["lifecycle"] == "draining", "the drain")
            self.assertIn("restart of web-2-1 by", self.ok(site, "deploy", "web", code=1).stderr)
            wait_for(lambda: site.cli("exec", "web-2-1", "--", "/bin/sh", "-c", "echo > /go").returncode == 0, "the container")
            self.assertEqual(acting.wait(60), 0)
            site.processes.remove(acting)

    def test_deployments_are_drawn_in_place_on_a_terminal(self):
        with Site() as site:
            self.start(site)
            self.ok(site, "deploy", "web")
            drawn, code = self.on_terminal(site, ["deploy", "web", "--image", "web:2"], 60)
            self.assertEqual(code, 0, drawn)
            self.assertRegex(drawn, r"\x1b\[\d+A", "it is drawn over itself")
            self.assertRegex(drawn, r"◌ \w+ +[\d.]+ s of ")
            self.assertIn("web-2-1", drawn)
            for line in re.sub(r"\x1b\[\d*[A-Za-z]", "", drawn.split("\x1b[", 1)[1]).splitlines():
                if line.lstrip("\r").startswith(("◌", "·", "  web-2-1")) and " at most " not in line:
                    self.assertLessEqual(len(line.strip("\r")), 60, line)
            end = drawn[drawn.rindex("\x1b[J"):]
            plain = self.ok(site, "deployments", "follow", json.loads(site.cli("deployments", "-o", "json").stdout)["items"][0]["id"]).stderr
            self.assertEqual([line.strip("\r") for line in end.removeprefix("\x1b[J").splitlines()][-2:], plain.splitlines()[-2:], "it ends as plain lines do")
            dumb, code = self.on_terminal(site, ["deploy", "web", "--image", "web:1"], 60, TERM="dumb")
            self.assertEqual(code, 0, dumb)
            self.assertNotIn("\x1b", dumb)
            self.assertIn("◌ verifying", dumb)

    def on_terminal(self, site, arguments, columns, **environment):
        """What a terminal of so many columns was sent, and the exit code."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        env.update({"HALE_SERVER": site.where["admin"], "HALE_TOKEN": site.token, "TERM": "xterm", **environment})
        running = subprocess.Popen([site.binary, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=env)
        os.close(theirs)
        said = b""
        deadline = time.monotonic() + 60
        with contextlib.suppress(OSError):
            while time.monotonic() < deadline:
                if select.select([ours], [], [], 1)[0]:
                    piece = os.read(ours, 65536)
                    if not piece:
                        break
                    said += piece
        os.close(ours)
        return said.decode(errors="replace"), running.wait(30)


if __name__ == "__main__":
    unittest.main()
