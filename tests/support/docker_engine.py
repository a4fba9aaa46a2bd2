"""A Docker Engine of a test's own: its data, its socket and its end are the test's."""

import os
import subprocess

from waiting import end_process, wait_for

ENVIRONMENT = {**os.environ, "LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ["PATH"]}


def run(*argv, seconds=120, good=0, **options):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL, env={**ENVIRONMENT, **options.pop("env", {})}, **options)
    if good is not None and done.returncode != good:
        raise AssertionError(f"{' '.join(argv)}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


class DockerEngine:
    name = "dockerd"

    def __init__(self, folder, options=(), data=None):
        """`options`: more of dockerd's own; `data`: where its images and containers are kept."""
        self.folder = folder
        self.options = options
        self.data = data or f"{folder}/data"
        self.socket = f"unix://{folder}/docker.sock"
        self.process = None

    def command(self):
        return ["dockerd", "--data-root", self.data, "--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/docker.pid",
                "--host", self.socket, "--iptables=false", "--ip6tables=false", "--bridge=none", *self.options]

    def environment(self):
        return ENVIRONMENT

    def start(self):
        with open(os.path.join(self.folder, f"{self.name}.log"), "a") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment())

        def answers():
            if self.process.poll() is not None:
                with open(log.name) as text:
                    raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{text.read()[-3000:]}")
            return self.docker("version", good=None).returncode == 0

        wait_for(answers, self.name, 60)
        return self

    def docker(self, *argv, **options):
        return run("docker", *argv, env={"DOCKER_HOST": self.socket}, **options)

    def crash(self):
        """It is killed, and its containerd with it; with --live-restore its containers live on."""
        with open(f"{self.folder}/exec/containerd/containerd.pid") as text:
            second = text.read()
        self.process.kill()
        self.process.wait()
        wait_for(lambda: not os.path.exists(f"/proc/{second}"), "its containerd to end", 20)

    def end(self):
        end_process(self.process, 60)

    def clean_up(self):
        """Containers and networks go with it; and a network namespace outlives its engine."""
        if self.process is not None and self.process.poll() is not None:
            self.start()  # It crashed: what it left running is found by it alone.
        if self.process is not None and self.process.poll() is None:
            names = self.docker("ps", "-aq", good=None).stdout.split()
            if names:
                self.docker("rm", "-f", *names, good=None)
            for network in self.docker("network", "ls", "-q", "--filter", "type=custom", good=None).stdout.split():
                self.docker("network", "rm", network, good=None)
        self.end()
        with open("/proc/mounts") as mounts:
            left = [line.split()[1] for line in mounts if line.split()[1].startswith(self.folder + "/")]
        for place in reversed(left):
            run("umount", "-l", place, good=None)
