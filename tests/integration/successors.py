"""What tests of upgrades share: a site whose daemon is replaced by its successor, and constant load that counts every
request. Processes whose parent ended come to the test process (PR_SET_CHILD_SUBREAPER), so each is waited for by pid."""

import contextlib
import ctypes
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import threading
import time

from harness import HALE, Site, request, wait_for

PR_SET_CHILD_SUBREAPER = 36


def text_of(path):
    with contextlib.suppress(OSError):
        with open(path) as text:
            return text.read()
    return ""


class Adopted:
    """A process that came to us when its parent ended; enough of Popen for the harness."""

    def __init__(self, pid, binary):
        self.pid, self.args, self.stdout, self.returncode = pid, [binary], None, None

    def poll(self):
        if self.returncode is None:
            with contextlib.suppress(ChildProcessError):  # Its parent still lives.
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, how):
        if self.poll() is None:
            os.kill(self.pid, how)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def wait(self, seconds=None):
        try:
            wait_for(lambda: self.poll() is not None, f"process {self.pid} to end", seconds or 60)
        except AssertionError:
            raise subprocess.TimeoutExpired(self.args, seconds)
        return self.returncode


class Dynasty(Site):
    """A site whose program lies at a path of its own, where a test puts the next one."""

    def __init__(self, **options):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        super().__init__(**options)
        self.binary = os.path.join(self.folder, "bin", "hale")
        os.mkdir(os.path.dirname(self.binary))
        self.install()

    def install(self, script=None):
        """What the next upgrade starts: the real thing, or a script (in which HALE is the real thing)."""
        new = self.binary + ".new"
        if script is None:
            os.symlink(HALE, new)
        else:
            with open(new, "w") as out:
                out.write("#!/bin/sh\n" + script.replace("HALE", HALE) + "\n")
            os.chmod(new, stat.S_IRWXU)
        os.replace(new, self.binary)

    def ask_upgrade(self, timeout=100):
        """(status, answer) of the API."""
        return self.api("/api/v1/upgrade", "POST", {}, timeout=timeout, ok=False)

    def upgrade(self):
        """One that must succeed; returns the process left behind, which still drains."""
        status, answer = self.ask_upgrade()
        assert status == 200, (status, answer, self.log_text()[-3000:])
        return self.succeed(answer["pid"])

    def succeed(self, pid):
        before, self.daemon = self.daemon, Adopted(pid, self.binary)
        self.processes.append(self.daemon)
        wait_for(lambda: self.listen_json().get("pid") == pid, "the successor's listen.json", 10)
        self.where = self.listen_json()
        return before

    def listen_json(self):
        with contextlib.suppress(OSError, ValueError):
            with open(os.path.join(self.state, "listen.json")) as text:
                return json.load(text)
        return {}

    @staticmethod
    def children(of):
        with contextlib.suppress(FileNotFoundError):
            return {int(pid) for task in os.listdir(f"/proc/{of}/task") for pid in text_of(f"/proc/{of}/task/{task}/children").split()}
        return set()

    def successor(self, of, known):
        """The pid of the process that is about to take over from `of`, as soon as there is one; `known`: its children before."""
        return wait_for(lambda: next(iter(self.children(of) - known), None), "a successor", 30)


class Load:
    """`rate` requests a second, half on kept connections and half on fresh ones, over TLS where a context is given. Nothing
    is tried again."""

    def __init__(self, address, host, rate=500, threads=10, tls=None):
        self.address, self.host, self.tls = address, host, tls
        self.interval = 2 * threads / rate
        self.stopping = threading.Event()
        self.lock = threading.Lock()  # Guards the two below.
        self.answered, self.failed = 0, []
        self.threads = [threading.Thread(target=self.run, args=(kind, i / threads)) for kind in ("kept", "fresh") for i in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def run(self, kind, part):
        where, port = self.address.rsplit(":", 1)
        connection = None
        due = time.monotonic() + part * self.interval
        while not self.stopping.is_set():
            self.stopping.wait(max(0.0, due - time.monotonic()))
            due = max(due + self.interval, time.monotonic() - 1)
            wrong = None
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(where, int(port), timeout=20)
                    connection.connect()
                    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    if self.tls is not None:
                        connection.sock = self.tls.wrap_socket(connection.sock, server_hostname=self.host)
                connection.request("GET", "/up", headers={"Host": self.host})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200:
                    wrong = f"{kind}: {answer.status} {answer.getheader('Hale-Reason')} {text[:80]}"
                if kind == "fresh" or answer.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                wrong = f"{kind}: {error!r}"
                connection = None
            with self.lock:
                self.answered += wrong is None
                if wrong:
                    self.failed.append(wrong)
        if connection is not None:
            connection.close()


class Watcher(threading.Thread):
    """Asks something again and again until it is told to stop; keeps what is no good answer."""

    def __init__(self, ask):
        super().__init__()
        self.ask, self.stopping, self.wrong, self.asked = ask, threading.Event(), [], 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()

    def run(self):
        while not self.stopping.wait(0.005):
            try:
                wrong = self.ask()
            except (OSError, http.client.HTTPException, ValueError) as error:
                wrong = repr(error)
            self.asked += 1
            if wrong:
                self.wrong.append(wrong)


def unix_live(path):
    """None when /live answers well over the unix socket."""
    class Connection(http.client.HTTPConnection):
        def connect(self):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(20)
            self.sock.connect(path)

    connection = Connection("localhost")
    try:
        connection.request("GET", "/live")
        answer = connection.getresponse()
        answer.read()
        return None if answer.status == 200 else f"unix /live: {answer.status}"
    finally:
        connection.close()


def tcp_live(address):
    status = request(address, path="/live", timeout=20)[0]
    return None if status == 200 else f"/live: {status}"
