"""Goal: a service manager is told the truth: ready when everything is in force, who the main process is, why an upgrade
failed, a sign of life only while every thread goes on; and sockets that it opened are served from the first connection on.
Method: this test plays systemd: a datagram socket that says who sent what, an interval for signs of life, descriptors 3 and up.
A worker is frozen by an access log that nobody reads."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import time
import unittest

from harness import Case, request, wait_for
from successors import Dynasty, Load, unix_live

CONFIG = """
services:
  web: {{hosts: [web.test], instances: ["{a}"], check: {{http: /up, interval: 300ms}}}}
"""


class Manager:
    """Hears what is told to NOTIFY_SOCKET, with the pid of who tells it."""

    def __init__(self, site, abstract=False):
        self.name = f"\0hale-manager-{os.getpid()}" if abstract else os.path.join(site.folder, "notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(self.name)
        self.socket.settimeout(0.05)
        self.heard = []  # (pid, key, value, when)
        site.environment["NOTIFY_SOCKET"] = self.name.replace("\0", "@")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def listen(self):
        with contextlib.suppress(TimeoutError):
            while True:
                text, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
                pid = next(struct.unpack("iII", data[:12])[0] for level, kind, data in ancillary if kind == socket.SCM_CREDENTIALS)
                for line in text.decode().split("\n"):
                    key, _, value = line.partition("=")
                    self.heard.append((pid, key, value, time.monotonic()))
        return self.heard

    def wait(self, pid, key, value=None, since=0, seconds=30):
        """Where in `heard` it was told."""
        def told():
            for i, (who, what, said, _) in enumerate(self.listen()):
                if i >= since and who == pid and what == key and value in (None, said):
                    return i + 1
            return None

        return wait_for(told, f"{key}={value} from {pid}; heard {self.heard[since:][-20:]}", seconds)

    def said(self, position):
        return self.heard[position - 1][2]


class Told(Case):
    def test_ready_reload_upgrade_and_stop_are_told_by_whom_it_knows(self):
        for abstract in (False, True):
            with Dynasty() as site, Manager(site, abstract) as manager:
                site.start(CONFIG.format(a=site.demo("a").address))
                pid = site.daemon.pid
                at = manager.wait(pid, "READY", "1")
                at = manager.wait(pid, "STATUS", since=at - 1)
                self.assertIn("serves 1 services from", manager.said(at))
                os.kill(pid, signal.SIGHUP)
                at = manager.wait(pid, "RELOADING", "1", at)
                at = manager.wait(pid, "MONOTONIC_USEC", since=at)
                self.assertLess(abs(int(manager.said(at)) / 1e6 - time.clock_gettime(time.CLOCK_MONOTONIC)), 30)
                at = manager.wait(pid, "READY", "1", at)
                # One that fails.
                site.install("exit 3")
                self.assertEqual(site.ask_upgrade()[0], 500)
                at = manager.wait(pid, "STATUS", "hands over to a new process", at)
                at = manager.wait(pid, "STATUS", since=at)
                self.assertIn("an upgrade failed:", manager.said(at))
                # One that does not: the old one says who is next, before that one speaks.
                site.install()
                left = site.upgrade()
                new = site.daemon.pid
                at = manager.wait(pid, "MAINPID", str(new), at)
                at = manager.wait(new, "READY", "1", at)
                self.assertNotIn(new, [who for who, *_ in manager.heard[:at - 1]], "it spoke before it was known")
                self.assertEqual(left.wait(40), 0)
                self.assertNotIn((pid, "STOPPING"), [told[:2] for told in manager.heard], "the service does not stop")
                site.daemon.send_signal(signal.SIGTERM)
                manager.wait(new, "STOPPING", "1", at)
                self.assertEqual(site.daemon.wait(40), 0)

    def test_a_manager_that_is_gone_stops_nothing(self):
        with Dynasty() as site:
            with Manager(site) as manager:
                os.remove(manager.name)
            site.start(CONFIG.format(a=site.demo("a").address))
            site.wait_state("web-1", "healthy")
            self.assertIn("tell the service manager", site.log_text())


class Watchdog(Case):
    def test_signs_of_life_come_in_time_over_an_upgrade_too(self):
        with Dynasty() as site, Manager(site) as manager:
            site.environment["WATCHDOG_USEC"] = "4000000"
            site.start(CONFIG.format(a=site.demo("a").address))
            manager.wait(site.daemon.pid, "READY")
            for _ in range(2):
                at = len(manager.heard)
                for _ in range(3):
                    at = manager.wait(site.daemon.pid, "WATCHDOG", "1", at, 10)
                site.upgrade()
            at = manager.wait(site.daemon.pid, "WATCHDOG", "1", len(manager.heard), 10)
            signs = [when for _, key, _, when in manager.heard if key in ("WATCHDOG", "READY")]
            self.assertLess(max(b - a for a, b in zip(signs, signs[1:])), 4, "systemd would have ended it")

    def test_another_processes_watchdog_is_none_of_ours(self):
        with Dynasty() as site, Manager(site) as manager:
            site.environment.update(WATCHDOG_USEC="400000", WATCHDOG_PID="1")
            site.start(CONFIG.format(a=site.demo("a").address))
            manager.wait(site.daemon.pid, "READY")
            site.wait_state("web-1", "healthy")
            self.assertEqual([key for _, key, _, _ in manager.listen() if key == "WATCHDOG"], [])

    def test_one_thread_that_stands_still_starves_it_and_is_named(self):
        with Dynasty() as site, Manager(site) as manager:
            site.configure("access_log: stdout\n" + CONFIG.format(a=site.demo("a").address).replace("workers: 2", "workers: 1"))
            with open(os.path.join(site.folder, "hale-0.log"), "w") as log:
                site.daemon = site.run([site.binary, "serve", "--config", site.config_path], stdout=subprocess.PIPE, stderr=log,
                                       env={**os.environ, **site.environment, "WATCHDOG_USEC": "2000000"})
            site.logs = 1
            site.wait_live()
            pid = site.daemon.pid
            manager.wait(pid, "WATCHDOG", "1")
            # Its log goes into a pipe that nobody empties, until a worker cannot go on.
            long = "/" + "x" * 2000
            def frozen():
                for _ in range(40):
                    with contextlib.suppress(OSError):
                        request(site.where["http"], path=long, headers={"Host": "web.test"}, timeout=0.5)
                return "from hale-work-" in site.log_text()

            wait_for(frozen, "a worker to stand still", 60)
            at = len(manager.listen())
            began = time.monotonic()
            wait_for(lambda: time.monotonic() - began > 3, "more than the interval to pass", 10)
            self.assertEqual([told for told in manager.listen()[at:] if told[1] == "WATCHDOG"], [], "fed over a frozen thread")
            # Somebody reads: it goes on, and so do the signs.
            os.set_blocking(site.daemon.stdout.fileno(), False)
            def drained():
                with contextlib.suppress(BlockingIOError):
                    while os.read(site.daemon.stdout.fileno(), 65536):
                        pass
                return any(told[1] == "WATCHDOG" for told in manager.listen()[at:])

            wait_for(drained, "signs of life", 30)
            site.daemon.send_signal(signal.SIGTERM)
            wait_for(lambda: drained() and site.daemon.poll() is not None, "its end", 45)


class Activation(Case):
    def sockets(self, site, names):
        made = []
        for name in names:
            one = socket.socket(socket.AF_UNIX if name == "socket" else socket.AF_INET, socket.SOCK_STREAM)
            one.bind(os.path.join(site.folder, "activated.sock") if name == "socket" else ("127.0.0.1", 0))
            one.listen(64)
            made.append(one)
        return made

    def run_with(self, site, sockets, names):
        """As systemd would: at 3 and up, for exactly this process."""
        def at_their_places():
            for i, one in enumerate(sockets):
                os.dup2(one.fileno(), 100 + i)
            for i in range(len(sockets)):
                os.dup2(100 + i, 3 + i)

        with open(os.path.join(site.folder, f"hale-{site.logs}.log"), "w") as log:
            script = 'LISTEN_PID=$$; export LISTEN_PID; exec "$@"'
            site.daemon = subprocess.Popen(["/bin/sh", "-c", script, "sh", site.binary, "serve", "--config", site.config_path], stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, preexec_fn=at_their_places, close_fds=False,
                                           env={**os.environ, "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": ":".join(names)})
        site.processes.append(site.daemon)
        site.logs += 1

    def test_sockets_of_the_manager_are_served_from_the_first_connection_on_and_handed_on(self):
        names = ("http", "admin", "health", "socket")
        with Dynasty() as site:
            sockets = self.sockets(site, names)
            where = {name: one.getsockname() if name == "socket" else "%s:%d" % one.getsockname() for name, one in zip(names, sockets)}
            with open(site.config_path, "w") as out:
                out.write(f"listen: {{admin: \"127.0.0.1:0\"}}\nstate: {site.state}\nworkers: 3\n" + CONFIG.format(a=site.demo("a").address))
            # Somebody is there before Hale is.
            early = socket.create_connection(where["http"].rsplit(":", 1), timeout=30)
            early.sendall(b"GET /up HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n\r\n")
            self.run_with(site, sockets, names)
            site.wait_live()
            for one in sockets:
                one.close()
            self.assertEqual({name: site.where[name] for name in names}, where)
            self.assertTrue(early.recv(100).startswith(b"HTTP/1.1 404"))
            early.close()
            site.wait_state("web-1", "healthy")
            self.assertEqual(request(where["health"], path="/ready")[0], 200)
            with Load(where["http"], "web.test", rate=200, threads=4) as load:
                for _ in range(2):
                    before = load.answered
                    wait_for(lambda: load.answered > before + 50, "load", 30)
                    self.assertEqual(site.upgrade().wait(40), 0)
            self.assertEqual(load.failed, [])
            self.assertIsNone(unix_live(where["socket"]))
            site.stop()
            self.assertTrue(os.path.exists(where["socket"]), "the file is the manager's")

    def test_a_name_that_nobody_knows_is_refused_with_those_there_are(self):
        with Dynasty() as site:
            sockets = self.sockets(site, ("web",))
            site.configure("services: {}\n")
            self.run_with(site, sockets, ("web",))
            self.assertEqual(site.daemon.wait(30), 1)
            self.assertIn('"web" (LISTEN_FDNAMES); allowed: http, https, admin, health, socket', site.log_text())
            sockets[0].close()


if __name__ == "__main__":
    unittest.main()
