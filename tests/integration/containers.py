"""What tests of containers share: a Docker Engine of each test class's own, images of a few files around busybox, and what
`hale deploy` made of them."""

import json
import os
import shutil
import tempfile

from harness import Case, Site, wait_for
from docker_engine import DockerEngine

SERVER = '["/bin/busybox", "httpd", "-f", "-p", "3000", "-h", "/www"]'
# Its server lets 9 wait at its door, and whoever comes then is not heard for a second: of each kind of connection a load may have
# so many at once, that all of them may come to one container.
SERVED_AT_ONCE = 3
# Serves once there is a file /go.
LATE = '["/bin/busybox", "sh", "-c", "while [ ! -e /go ]; do /bin/busybox usleep 100000; done; exec /bin/busybox httpd -f -p 3000 -h /www"]'
CONFIG = """docker: {{host: "{engine}"}}
drain_timeout: 5s
services:
  web:
    hosts: [web.test]
    check: {{http: /up, interval: 1s{check}}}
    deploy: {{image: "web:1", stop_timeout: 1s{more}}}
"""


class EngineCase(Case):
    versions = ("web:1", "web:2")
    options = ()  # More of dockerd's own.
    kind = DockerEngine

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="hale-engine-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.engine = cls.kind(cls.folder, cls.options)
        cls.addClassCleanup(cls.engine.clean_up)
        cls.engine.start()
        for version in cls.versions:
            cls.image(version)

    @classmethod
    def image(cls, tag, command=SERVER, more="", up=True, scripts=None, engine=None):
        """An image that serves its own name at / and, with `up`, at /up; `scripts` are programs of it: path → text."""
        context = tempfile.mkdtemp(dir=cls.folder)
        os.makedirs(os.path.join(context, "root/bin"))
        os.makedirs(os.path.join(context, "root/www"))
        shutil.copy("/bin/busybox", os.path.join(context, "root/bin/busybox"))
        os.symlink("busybox", os.path.join(context, "root/bin/sh"))
        files = {"/www/index.html": f"{tag}\n", **({"/www/up": "up\n"} if up else {}), **(scripts or {})}
        for path, text in files.items():
            place = os.path.join(context, "root" + path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "w") as out:
                out.write(text)
            os.chmod(place, 0o755)
        with open(os.path.join(context, "Dockerfile"), "w") as out:
            out.write(f"FROM scratch\nCOPY root/ /\nEXPOSE 3000\n{more}CMD {command}\n")
        (engine or cls.engine).docker("build", "-q", "-t", tag, context)
        shutil.rmtree(context)

    @classmethod
    def answering(cls, tag, status, headers=""):
        """An image that gives this answer to everybody."""
        answer = f'#!/bin/sh\nwhile read -r line; do [ "${{#line}}" -le 1 ] && break; done\nprintf "HTTP/1.1 {status} X\\r\\n{headers}Content-Length: 0\\r\\nConnection: close\\r\\n\\r\\n"\n'
        cls.image(tag, '["/bin/busybox", "nc", "-ll", "-p", "3000", "-e", "/answer"]', scripts={"/answer": answer})

    def tearDown(self):
        names = self.engine.docker("ps", "-aq").stdout.split()
        if names:
            self.engine.docker("rm", "-f", *names)

    def start(self, site, more="", check="", config=CONFIG, engine=None):
        site.start(config.format(engine=(engine or self.engine).socket, more=more, check=check))

    def served(self, site):
        status, _, body = site.traffic("web.test")
        return body.decode().strip() if status == 200 else status

    def deploy(self, site, *arguments, code=0):
        done = site.cli("deploy", "web", *arguments, timeout=120)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def last_record(self, site):
        return json.loads(site.cli("deployments", "-o", "json").stdout)["items"][0]

    def containers(self, *more):
        return sorted(self.engine.docker("ps", "--format", "{{.Names}}", *more).stdout.split())

    def restarts_midway(self):
        """The engine ends and comes back while late:1 is being verified: the deployment goes on to its end."""
        with Site() as site:
            self.start(site)
            self.deploy(site)
            begun = json.loads(self.deploy(site, "--image", "late:1", "--detach", "-o", "json").stdout)["deployment"]
            wait_for(lambda: site.api(f"/api/v1/deployments/{begun}")[1]["phase"] == "verifying", "its verification", 20)
            self.engine.crash()
            self.engine.start()
            self.engine.docker("exec", "web-2-1", "/bin/busybox", "touch", "/go")
            done = site.cli("deployments", "follow", begun, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.served(site), "late:1")
