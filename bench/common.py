"""What the benchmarks share: starting peers, pinning, CPU time by schedstat, paired rounds, ratios."""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

from waiting import free_port, wait_for  # noqa: E402, F401

RELEASE = os.environ.get("HALE_RELEASE_BUILD", os.path.join(ROOT, "build", "release"))
HALE = os.environ.get("HALE_BINARY", os.path.join(RELEASE, "src", "main", "hale"))
LOAD = os.path.join(RELEASE, "bench", "bench_load")
BACKEND = os.path.join(RELEASE, "bench", "bench_backend")


def cpu_seconds(pid):
    """CPU of all threads in nanosecond resolution (schedstat), forked workers of the peers included by the caller."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError):
            with open(f"/proc/{pid}/task/{task}/schedstat") as stat:
                total += int(stat.read().split()[0])
    return total / 1e9


def rss_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def anonymous_kib(pid):
    """User memory: anonymous pages only, not the executable's."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        for line in rollup:
            if line.startswith("Anonymous:"):
                return int(line.split()[1])
    return 0


class Started:
    """Everything a benchmark started, ended by pid when it leaves."""

    def __init__(self):
        self.processes = []
        self.folder = tempfile.mkdtemp(prefix="hale-bench-")

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # Cleans up as for any other end.
        return self

    def __exit__(self, failed, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if failed is None:
            shutil.rmtree(self.folder)  # Else the logs are there to be read.

    def run(self, argv, cpu=None, **options):
        if cpu is not None:
            argv = ["taskset", "-c", str(cpu), *argv]
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(argv, **options)
        self.processes.append(process)
        return process

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as out:
            out.write(text)
        return self.path(name)

    def backend(self, *options, cpu=0, listen="127.0.0.1:0"):
        """Starts bench_backend; returns the addresses that it printed."""
        process = self.run([BACKEND, "--listen", listen, *map(str, options)], cpu=cpu, stdout=subprocess.PIPE, text=True)
        addresses = []
        for line in process.stdout:
            if line.strip() == "ready":
                return addresses
            addresses.append(line.strip())
        raise SystemExit("bench_backend did not start")

    def hale(self, config, cpu=None, name="hale", wait_seconds=60):
        """Starts the daemon; returns (process, listen.json, token)."""
        state = self.path(name + "-state")
        path = self.write(name + ".yml", config.replace("STATE", state))
        log = open(self.path(name + ".log"), "w")
        process = self.run([HALE, "serve", "--config", path], cpu=cpu, stderr=log, stdout=log)
        listen = os.path.join(state, "listen.json")

        def up():
            if process.poll() is not None:
                raise SystemExit(f"hale ended with {process.returncode}: " + open(self.path(name + ".log")).read()[-2000:])
            if not os.path.exists(listen):
                return None
            where = json.load(open(listen))
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{where['admin']}/live", timeout=2).read()
                return where
            return None

        where = wait_for(up, "hale's /live", wait_seconds)
        token = open(os.path.join(state, "admin.token")).read().strip()
        return process, where, token


def api(where, token, path, method="GET", body=None, timeout=30):
    request = urllib.request.Request(f"http://{where['admin']}{path}", method=method, data=json.dumps(body).encode() if body is not None else None,
                                     headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def load(to, connections, seconds, rate=0, cpu=0, host="bench.test", path="/", first=False):
    """`first`: before everything else on its CPU, where that is allowed."""
    before_others = ["chrt", "--fifo", "1"] if first and subprocess.run(["chrt", "--fifo", "1", "true"], capture_output=True).returncode == 0 else []
    argv = [*before_others, "taskset", "-c", str(cpu), LOAD, "--to", to, "--host", host, "--path", path, "--connections", str(connections), "--seconds", str(seconds),
            "--rate", str(rate)]
    return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout)


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as out:
        return [int(child) for child in out.read().split()]


def say(line):
    print(line, flush=True)


def need(*programs):
    for program in programs:
        if not (os.path.exists(program) or shutil.which(program)):
            sys.exit(f"{program} is missing: scripts/deps bench && cmake --preset release && cmake --build --preset release")
