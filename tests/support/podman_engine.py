"""Podman with its Docker-compatible socket, of a test's own: asked and cleaned up like a Docker Engine, by the same `docker` command."""

import os

from docker_engine import DockerEngine

# Without these it takes its own limits, which a container's process may not be allowed to raise; there is no systemd to ask for cgroups.
CONFIGURATION = """[containers]
default_ulimits = ["nofile=10000:10000", "nproc=4000:4000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class PodmanEngine(DockerEngine):
    name = "podman"

    def command(self):
        os.makedirs(f"{self.folder}/networks", exist_ok=True)
        with open(f"{self.folder}/containers.conf", "w") as out:
            out.write(CONFIGURATION)
        return ["podman", "--root", self.data, "--runroot", f"{self.folder}/run", "--tmpdir", f"{self.folder}/tmp", "--network-config-dir", f"{self.folder}/networks",
                "--storage-driver", "vfs", "system", "service", "--time", "0", self.socket]

    def environment(self):
        return {**super().environment(), "CONTAINERS_CONF": f"{self.folder}/containers.conf"}

    def crash(self):
        """Nobody answers at its socket any more; each container has a process of its own that looks after it."""
        self.process.kill()
        self.process.wait()
