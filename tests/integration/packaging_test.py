"""Goal: what users install works as it lies in the package: the program, its unit, its configuration, its image; and it is
gone after it was purged.
Method: cpack makes the package of this build; systemd-analyze reads the unit; a Docker Engine of this test's own builds the
image on a base that debootstrap makes of the Debian mirror, and in containers without a network the daemon runs, is found
healthy, is refused an upgrade in place, and the package is installed, removed and purged."""

import glob
import json
import os
import re
import shutil
import tempfile
import unittest

from harness import BUILD, ROOT, request, wait_for
from docker_engine import DockerEngine, run

RELEASE = os.path.join(ROOT, "build", "release")
BASE = os.path.join(ROOT, "build", "packaging-base.tar")  # Kept: a base system takes a minute.
TAG = "hale-test-base:bookworm"


class Packaging(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="hale-packaging-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        # What users get is the release build, where there is one.
        build = RELEASE if os.path.exists(os.path.join(RELEASE, "src", "main", "hale")) else BUILD
        run("cpack", "-G", "DEB", "-B", cls.folder, "--config", os.path.join(build, "CPackConfig.cmake"), cwd=build)
        cls.package, = glob.glob(os.path.join(cls.folder, "hale_*.deb"))

    def test_the_package_holds_what_it_should_and_says_what_it_needs(self):
        fields = {name: run("dpkg-deb", "-f", self.package, name).stdout.strip() for name in ("Package", "Version", "Architecture", "Depends", "Maintainer", "Description")}
        with open(os.path.join(ROOT, "CMakeLists.txt")) as text:
            self.assertEqual(fields["Version"], re.search(r"project\(hale VERSION (\S+)", text.read())[1])
        self.assertTrue(all(fields.values()), fields)
        for library in ("libc6", "libssl3", "libsqlite3-0", "libyaml-cpp0.7", "passwd"):
            self.assertIn(library, fields["Depends"])
        files = {}
        for line in run("dpkg-deb", "-c", self.package).stdout.splitlines():
            mode, owner, *_, path = line.split()
            files[path] = mode
            self.assertEqual(owner, "root/root", line)
        for path, mode in (("./usr/bin/hale", "-rwxr-xr-x"), ("./etc/hale/hale.yml", "-rw-r--r--"), ("./usr/lib/systemd/system/hale.service", "-rw-r--r--"),
                           ("./usr/share/doc/hale/copyright", "-rw-r--r--"), ("./usr/share/man/man1/hale.1", "-rw-r--r--"), ("./usr/share/doc/hale/guide/running.md", "-rw-r--r--")):
            self.assertEqual(files.get(path), mode, path)
        control = os.path.join(self.folder, "control")
        run("dpkg-deb", "-e", self.package, control)
        with open(os.path.join(control, "conffiles")) as text:
            self.assertEqual(text.read(), "/etc/hale/hale.yml\n")
        for script in ("postinst", "prerm", "postrm"):
            run("sh", "-n", os.path.join(control, script))
            self.assertTrue(os.access(os.path.join(control, script), os.X_OK))
        run("man", "--warnings", "-l", os.path.join(ROOT, "packaging", "hale.1"), good=None) if shutil.which("man") else None

    def test_systemd_finds_no_fault_with_the_unit_and_little_exposure(self):
        unpacked = os.path.join(self.folder, "unit")
        run("dpkg-deb", "-x", self.package, unpacked)
        # As installed, but for where the program lies.
        with open(os.path.join(unpacked, "usr/lib/systemd/system/hale.service")) as text:
            unit = text.read()
        self.assertIn("Type=notify\n", unit)
        path = os.path.join(self.folder, "hale.service")
        with open(path, "w") as out:
            out.write(unit.replace("/usr/bin/hale", os.path.join(unpacked, "usr/bin/hale")))
        done = run("systemd-analyze", "verify", "--man=no", path)
        self.assertNotIn("hale.service", done.stdout + done.stderr)
        # 0 is none, 10 is all: the sum of what a broken program could do.
        run("systemd-analyze", "security", "--offline=true", "--threshold=20", path)

    def engine(self):
        """A Docker Engine that ends with this test and knows nobody."""
        engine = DockerEngine(self.folder)
        self.addCleanup(engine.clean_up)
        self.docker = engine.start().docker

    def base(self):
        """A slim Debian, as the image on Docker Hub would be."""
        if not os.path.exists(BASE):
            system = os.path.join(self.folder, "base")
            run("debootstrap", "--variant=minbase", "bookworm", system, "http://deb.debian.org/debian", seconds=400)
            run("tar", "-C", system, "-cf", BASE + ".part", ".")
            os.replace(BASE + ".part", BASE)
            shutil.rmtree(system, ignore_errors=True)
        self.docker("import", BASE, TAG)

    def deploys_from_inside_a_container(self):
        """With the engine's socket and the host's network. Another one of the image, whose state is empty, finds what it deployed; and
        without the socket it routes to it as to anything else."""
        web = os.path.join(self.folder, "web")
        os.makedirs(os.path.join(web, "bin"))
        os.makedirs(os.path.join(web, "www"))
        shutil.copy("/bin/busybox", os.path.join(web, "bin"))
        with open(os.path.join(web, "www", "up"), "w") as out:
            out.write("deployed\n")
        with open(os.path.join(web, "Dockerfile"), "w") as out:
            out.write('FROM scratch\nCOPY bin /bin\nCOPY www /www\nEXPOSE 3000\nCMD ["/bin/busybox", "httpd", "-f", "-p", "3000", "-h", "/www"]\n')
        self.docker("build", "-q", "-t", "web:1", web)
        etc = os.path.join(self.folder, "etc")
        os.mkdir(etc)
        with open(os.path.join(etc, "hale.yml"), "w") as out:
            out.write('listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0"}\nservices: {web: {hosts: [web.test], check: {http: /up}, deploy: {image: "web:1", stop_timeout: 1s}}}\n')
        os.chmod(self.folder, 0o755)
        socket = f"{self.folder}/docker.sock"
        engine = ["-v", f"{socket}:/var/run/docker.sock", "--group-add", str(os.stat(socket).st_gid)]

        def served(name):
            listen = json.loads(self.docker("exec", name, "cat", "/var/lib/hale/listen.json").stdout)
            status, _, body = request(listen["http"], path="/up", headers={"Host": "web.test"})
            return (status, body) == (200, b"deployed\n")

        def run(*options):
            name = self.docker("run", "-d", "--network", "host", *options, "-v", f"{etc}:/etc/hale:ro", "--no-healthcheck", "hale:test", "serve", "--config", "/etc/hale/hale.yml").stdout.strip()
            self.addCleanup(self.docker, "rm", "-f", name, good=None)
            wait_for(lambda: self.docker("exec", name, "hale", "list", good=None).returncode == 0, "the daemon in its container", 60)
            return name

        try:
            name = run(*engine)
            done = self.docker("exec", name, "hale", "deploy", "web")
            self.assertIn("is done: users reach it", done.stderr)
            self.assertTrue(served(name))
            self.docker("rm", "-f", name)
            name = run(*engine)
            wait_for(lambda: served(name), "what an earlier one deployed", 20)
            self.docker("rm", "-f", name)
            address = self.docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "web-1-1").stdout.strip()
            with open(os.path.join(etc, "hale.yml"), "w") as out:
                out.write(f'listen: {{http: "127.0.0.1:0", admin: "127.0.0.1:0"}}\nservices: {{web: {{hosts: [web.test], check: {{http: /up}}, instances: ["{address}:3000"]}}}}\n')
            name = run()
            wait_for(lambda: served(name), "the same without the engine's socket", 20)
            self.docker("rm", "-f", name)
        finally:
            self.docker("rm", "-f", "web-1-1", good=None)

    def test_the_image_runs_and_is_healthy_and_the_package_comes_and_goes(self):
        self.engine()
        self.base()
        context = os.path.join(self.folder, "context")
        os.mkdir(context)
        shutil.copy(self.package, context)
        # The host's network: there is no other, and the libraries come from the Debian mirror.
        self.docker("build", "--network", "host", "-f", os.path.join(ROOT, "packaging", "Dockerfile"), "--build-arg", f"BASE={TAG}", "-t", "hale:test", context, seconds=300)
        self.assertRegex(self.docker("run", "--rm", "--network", "none", "hale:test", "version").stdout, r"^hale \d+\.\d+\.\d+\n$")
        self.assertEqual(self.docker("run", "--rm", "--network", "none", "--entrypoint", "id", "hale:test", "-un").stdout, "hale\n")

        name = self.docker("run", "-d", "--network", "none", "hale:test").stdout.strip()
        try:
            wait_for(lambda: self.docker("inspect", "-f", "{{.State.Health.Status}}", name).stdout == "healthy\n", "the container to be healthy", 60)
            self.docker("exec", name, "hale", "healthcheck", "http://127.0.0.1:4253/ready")
            self.docker("exec", name, "hale", "list")
            refused = self.docker("exec", name, "hale", "upgrade", good=1)
            self.assertIn("first process of its container", refused.stderr)
            self.docker("stop", name)
            self.assertEqual(self.docker("inspect", "-f", "{{.State.ExitCode}}", name).stdout, "0\n", self.docker("logs", name).stderr)
        finally:
            self.docker("rm", "-f", name, good=None)

        self.deploys_from_inside_a_container()

        # Where the libraries are and nothing of Hale's is yet: what the package itself brings and takes away.
        self.docker("build", "--network", "host", "-f", os.path.join(ROOT, "packaging", "Dockerfile"), "--build-arg", f"BASE={TAG}", "--target", "libraries", "-t", "hale:none", context)
        script = """
            set -ex
            test ! -e /usr/bin/hale; ! getent passwd hale
            dpkg -i /package.deb
            hale version
            id hale; test "$(stat -c %U:%a /var/lib/hale)" = hale:700
            hale config check /etc/hale/hale.yml
            mkdir /run/hale; chown hale /run/hale
            setpriv --reuid hale --regid hale --clear-groups hale serve --config /etc/hale/hale.yml & daemon=$!
            tries=0; until hale healthcheck http://127.0.0.1:4253/live; do tries=$((tries + 1)); test $tries -lt 100; read nothing < /dev/null || :; done
            hale list
            kill $daemon; wait $daemon
            echo '# mine' >> /etc/hale/hale.yml
            dpkg -r hale; test ! -e /usr/bin/hale; tail -n 1 /etc/hale/hale.yml | grep mine; test -e /var/lib/hale/state.db
            dpkg -i /package.deb; tail -n 1 /etc/hale/hale.yml | grep mine
            dpkg -P hale; test ! -e /etc/hale/hale.yml; test ! -e /var/lib/hale; ! getent passwd hale
            test ! -e /usr/share/doc/hale
        """
        self.docker("run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "bash", "-v", f"{self.package}:/package.deb:ro", "hale:none", "-c", script, seconds=180)


if __name__ == "__main__":
    unittest.main()
