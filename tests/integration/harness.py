"""The real daemon and real peers on loopback, each on a free port, each ended by pid.

Every wait has a deadline and polls in one place (wait_for). A Site is one daemon with its own folder; leaving it
stops everything it started and fails the test when the daemon reported a BUG, a sanitizer spoke, or one of ours did not
end by itself with 0 after SIGTERM. The folder with the logs stays when a test failed.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

from waiting import black_hole_address, free_port, on_free_port, refusing_address, silent_address, wait_for  # noqa: E402, F401

BUILD = os.environ.get("HALE_BUILD", os.path.join(ROOT, "build", "dev"))
HALE = os.path.join(BUILD, "src", "main", "hale")
DEMO = os.path.join(BUILD, "tools", "demo_backend")
STOP_SECONDS = 45  # Requests may take 30 s to finish (drain), and sanitizers are slow.
BAD_WORDS = ("BUG:", "CHECK failed", "AddressSanitizer", "runtime error:", "LeakSanitizer", "ThreadSanitizer")


def request(address, method="GET", path="/", headers=None, body=None, timeout=10):
    """One request on a connection of its own; returns (status, headers in lower case, body)."""
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        connection.putrequest(method, path, skip_host=bool(headers and "Host" in headers), skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


class Site:
    """A daemon (not yet running), its folder and its peers."""

    def __init__(self, binary=HALE, environment=None):
        self.binary = binary
        self.environment = environment or {}  # Of the daemon, besides this process's own.
        self.folder = tempfile.mkdtemp(prefix="hale-site-")
        self.state = os.path.join(self.folder, "state")
        self.config_path = os.path.join(self.folder, "hale.yml")
        self.processes = []
        self.daemon = None
        self.where = {}
        self.logs = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        """Ends what still runs. A test that passed may still fail here; one that failed keeps its folder."""
        wrong = []
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            if process.stdout:
                process.stdout.close()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                wrong.append(f"{process.args[0]} ignored SIGTERM for {STOP_SECONDS} s")
                process.kill()
                process.wait()
                continue
            # Killed with -9 is what a test did on purpose; any other end of ours is an orderly one.
            if process.args[0] in (self.binary, DEMO) and process.returncode not in (0, -signal.SIGKILL):
                wrong.append(f"{process.args[0]} ended with {process.returncode}")
        text = self.log_text()
        wrong += [f"the daemon said {bad}" for bad in BAD_WORDS if bad in text]
        if kind is None and not wrong:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        print(f"{text[-3000:]}\nits folder is kept: {self.folder}")
        if kind is None:
            raise AssertionError("; ".join(wrong))

    def log_text(self):
        text = ""
        for i in range(self.logs):
            with open(os.path.join(self.folder, f"hale-{i}.log"), errors="replace") as log:
                text += log.read()
        return text

    def run(self, argv, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(argv, **options)
        self.processes.append(process)
        return process

    def end(self, process, how=signal.SIGTERM, seconds=STOP_SECONDS):
        process.send_signal(how)
        return process.wait(seconds)

    def on_free_port(self, argv_for):
        """Starts argv_for(port), a peer that cannot take port 0; returns (process, address) once it listens."""
        return on_free_port(lambda port: self.run(argv_for(port)))

    # ---- backends ----

    def demo(self, name="demo", listen="127.0.0.1:0"):
        """A demo backend; returns a Demo to command it by."""
        process = self.run([DEMO, "--listen", listen, "--name", name], stdout=subprocess.PIPE, text=True)
        address = process.stdout.readline().strip().split()[-1]
        return Demo(self, process, address, name)

    # ---- the daemon ----

    def configure(self, text):
        """Writes hale.yml: `text` after listeners on free ports and this site's state."""
        head = f'listen: {{http: "127.0.0.1:0", admin: "127.0.0.1:0", socket: "{self.folder}/hale.sock"}}\nstate: {self.state}\nworkers: 2\ncheckers: 2\n'
        self.put_configuration(head + text)

    def put_configuration(self, text):
        """At once, as one renamed over the other: a daemon that watches it never reads a part."""
        temporary = self.config_path + ".new"
        with open(temporary, "w") as out:
            out.write(text)
        os.replace(temporary, self.config_path)

    def start(self, text=None, wait=True, extra=()):
        if text is not None:
            self.configure(text)
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(self.state, "listen.json"))
        with open(os.path.join(self.folder, f"hale-{self.logs}.log"), "w") as log:
            self.daemon = self.run([self.binary, "serve", "--config", self.config_path, *extra], stdout=log, stderr=log,
                                   env={**os.environ, **self.environment})
        self.logs += 1
        if wait:
            self.wait_live()
        return self

    def wait_live(self, seconds=60):
        def live():
            if self.daemon.poll() is not None:
                raise AssertionError(f"hale ended with {self.daemon.returncode}:\n{self.log_text()[-3000:]}")
            with contextlib.suppress(OSError, ValueError):
                with open(os.path.join(self.state, "listen.json")) as listen:
                    self.where = json.load(listen)
                return request(self.where["admin"], path="/live", timeout=5)[0] == 200
            return False

        wait_for(live, "/live", seconds)

    def stop(self, how=signal.SIGTERM):
        """Ends the daemon; after SIGTERM it must have ended in order, and in time."""
        code = self.end(self.daemon, how)
        assert code == (0 if how == signal.SIGTERM else -how), f"hale ended with {code}:\n{self.log_text()[-3000:]}"
        return code

    @property
    def token(self):
        with open(os.path.join(self.state, "admin.token")) as token:
            return token.read().strip()

    def api(self, path, method="GET", body=None, headers=None, timeout=30, ok=True):
        """A call of the admin API with the admin token; returns (status, parsed JSON)."""
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **(headers or {})}
        status, answered, text = request(self.where["admin"], method, path, sent, json.dumps(body).encode() if body is not None else None, timeout)
        if ok:
            assert 200 <= status < 300, f"{method} {path}: {status} {text[:500]}"
        return status, json.loads(text) if text else None

    def api_text(self, path):
        return request(self.where["admin"], "GET", path, {"Authorization": f"Bearer {self.token}"})[2].decode()

    def traffic(self, host, path="/", method="GET", headers=None, body=None, timeout=10):
        return request(self.where["http"], method, path, {"Host": host, **(headers or {})}, body, timeout)

    def cli(self, *arguments, timeout=60, environment=None):
        """Runs the CLI against this daemon; returns the finished process with text output."""
        env = {**os.environ, "HALE_SERVER": self.where.get("admin", "127.0.0.1:1"), "NO_COLOR": "1"}
        with contextlib.suppress(FileNotFoundError):
            env["HALE_TOKEN"] = self.token
        env.update(environment or {})
        return subprocess.run([self.binary, *arguments], capture_output=True, text=True, timeout=timeout, env=env, stdin=subprocess.DEVNULL)

    def verdicts(self):
        """Of all instances, all pages joined."""
        items, cursor = [], ""
        while cursor is not None:
            page = self.api(f"/api/v1/verdicts?limit=1000{cursor}")[1]
            items += page["items"]
            cursor = f"&cursor={page['next']}" if page["next"] else None
        return items

    def verdict(self, name):
        status, verdict = self.api(f"/api/v1/instances/{name}/verdict", ok=False)
        return verdict if status == 200 else None

    def wait_state(self, name, state, seconds=30):
        return wait_for(lambda: (v := self.verdict(name)) and v["state"] == state and v, f"{name} to be {state}", seconds)


class Demo:
    def __init__(self, site, process, address, name):
        self.site, self.process, self.address, self.name = site, process, address, name

    def mode(self, mode, ms=0, path=""):
        status, _, text = request(self.address, "POST", f"/_demo?mode={mode}&ms={ms}&path={path}", body=b"")
        assert status == 200, (status, text)

    def stop(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait(20)

    def restart(self):
        fresh = self.site.demo(self.name, self.address)
        self.process = fresh.process


class Case(unittest.TestCase):
    maxDiff = None
