"""Goal: what the simulator's engine says is what a real one says, over its socket and over TCP: a whole life of containers,
networks, commands and images, and an engine that is restarted while it is watched.
Method: docker_real_test (src/docker/engine_real_test.cc) at a Docker Engine and a registry of this test's own."""

import os
import subprocess
import tempfile
import unittest

from containers import EngineCase
from docker_registry import DockerRegistry
from harness import BUILD, free_port, wait_for

PROGRAM = os.path.join(BUILD, "src", "docker", "docker_real_test")


class EngineApi(EngineCase):
    versions = ("hale-test:small",)

    @classmethod
    def setUpClass(cls):
        cls.tcp = f"tcp://127.0.0.1:{free_port()}"
        cls.options = ("--host", cls.tcp)
        super().setUpClass()
        cls.image("hale-test:checked", more='HEALTHCHECK --interval=1s --start-period=5s --retries=2 CMD ["/bin/busybox", "test", "-e", "/ok"]\n')
        cls.registry = DockerRegistry(os.path.join(cls.folder, "registry")).start()
        cls.addClassCleanup(cls.registry.end)

    def environment(self, place):
        return {**os.environ, "HALE_TEST_DOCKER": place, "HALE_TEST_DOCKER_PULLS": self.registry.publish(self.engine, "hale-test:small", "small:1")}

    def well(self, returncode, said):
        self.assertEqual(returncode, 0, said)
        self.assertNotIn("SKIPPED", said)

    def test_over_its_socket_and_over_tcp(self):
        for place in (self.engine.socket, self.tcp):
            with self.subTest(place=place):
                done = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=200, stdin=subprocess.DEVNULL, env=self.environment(place))
                self.well(done.returncode, done.stdout + done.stderr)

    def test_restarted_while_it_is_watched(self):
        with tempfile.TemporaryFile("w+") as said:
            watching = subprocess.Popen([PROGRAM, "--gtest_filter=*IsWatched"], stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
                                        env={**self.environment(self.engine.socket), "HALE_TEST_DOCKER_RESTARTS": "1"})
            try:
                wait_for(lambda: watching.poll() is not None or self.engine.docker("ps", "-q", "--filter", "health=healthy").stdout, "the watched container to be healthy", 60)
                self.engine.end()
                self.engine.start()
                watching.wait(120)
            finally:
                if watching.poll() is None:
                    watching.kill()
                    watching.wait()
            said.seek(0)
            self.well(watching.returncode, said.read())


if __name__ == "__main__":
    unittest.main()
