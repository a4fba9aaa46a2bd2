"""A Docker Engine of a test's own: its data, its socket and its end are the test's."""

import os
import signal
import subprocess

from waiting import wait_for

ENVIRONMENT = {**os.environ, "LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ["PATH"]}


def run(*argv, seconds=120, good=0, **options):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL, env={**ENVIRONMENT, **options.pop("env", {})}, **options)
    if good is not None and done.returncode != good:
        raise AssertionError(f"{' '.join(argv)}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


class DockerEngine:
    def __init__(self, folder):
        self.folder = folder
        self.socket = f"unix://{folder}/docker.sock"
        self.process = None

    def start(self):
        with open(os.path.join(self.folder, "dockerd.log"), "a") as log:
            self.process = subprocess.Popen(["dockerd", "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/docker.pid",
                                             "--host", self.socket, "--iptables=false", "--ip6tables=false", "--bridge=none"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=ENVIRONMENT)

        def answers():
            if self.process.poll() is not None:
                with open(log.name) as text:
                    raise AssertionError(f"dockerd ended with {self.process.returncode}:\n{text.read()[-3000:]}")
            return self.docker("version", good=None).returncode == 0

        wait_for(answers, "the Docker Engine", 60)
        return self

    def docker(self, *argv, **options):
        return run("docker", *argv, env={"DOCKER_HOST": self.socket}, **options)

    def end(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def clean_up(self):
        """Containers and networks go with it; and a network namespace outlives its engine."""
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
