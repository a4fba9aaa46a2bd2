"""A Docker registry of a test's own on loopback, with or without a login."""

import os
import subprocess
import warnings

from waiting import end_process, on_free_port

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt


class DockerRegistry:
    def __init__(self, folder, login=None):
        """`login`: (name, password); nothing: everybody may come."""
        self.folder = folder
        self.login = login
        self.process = None
        self.address = None
        os.makedirs(folder)

    def start(self):
        auth = ""
        if self.login:
            name, password = self.login
            with open(os.path.join(self.folder, "htpasswd"), "w") as out:
                out.write(f"{name}:{crypt.crypt(password, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))}\n")
            auth = f"auth: {{htpasswd: {{realm: hale-test, path: \"{self.folder}/htpasswd\"}}}}\n"

        def begin(port):
            with open(os.path.join(self.folder, "config.yml"), "w") as out:
                out.write(f"version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: \"{self.folder}/data\"}}}}\nhttp: {{addr: \"127.0.0.1:{port}\", secret: hale-test}}\n{auth}")
            with open(os.path.join(self.folder, "registry.log"), "a") as log:
                return subprocess.Popen(["docker-registry", "serve", os.path.join(self.folder, "config.yml")], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        env={**os.environ, "OTEL_TRACES_EXPORTER": "none"})

        self.process, self.address = on_free_port(begin)
        return self

    def end(self):
        end_process(self.process, 20)

    def publish(self, engine, image, name):
        """Pushes the engine's `image` here as `name`, and lets the engine forget that name; returns what to call it."""
        whole = f"{self.address}/{name}"
        engine.docker("tag", image, whole)
        config = os.path.join(self.folder, "client")
        if self.login:
            engine.docker("--config", config, "login", "-u", self.login[0], "-p", self.login[1], self.address)
        engine.docker("--config", config, "push", "-q", whole)
        engine.docker("rmi", whole)
        return whole
