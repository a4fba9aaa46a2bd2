"""Goal: `--server ssh://user@host` reaches the daemon of another machine with the rights of that user.
Method: a real sshd (Debian's openssh-server) on a free loopback port with keys of its own, run by this test and ended with
it; `hale stdio` runs behind it as on any other machine. OpenSSH finds a user's files by the password database and not by
HOME, so the client's key and the server's name are put into one file of /etc/ssh/ssh_config.d for a host name of this test
only; it is removed with it."""

import contextlib
import json
import os
import pwd
import socket
import subprocess
import time
import unittest

from harness import BUILD, Case, Site, free_port, wait_for

USER = pwd.getpwuid(os.getuid()).pw_name


class Sshd:
    """One sshd and the name by which this machine's ssh knows it."""

    def __init__(self, site, environment="", name=None):
        self.folder = os.path.join(site.folder, "ssh")
        os.mkdir(self.folder, 0o700)
        self.name = name or f"hale-test-{os.getpid()}"
        self.port = free_port()
        self.client_file = f"/etc/ssh/ssh_config.d/hale-test-{os.getpid()}.conf"
        for key in ("host", "client", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", self.path(key)], check=True)
        with open(self.path("client.pub")) as public, open(self.path("authorized_keys"), "w") as allowed:
            allowed.write(public.read())
        with open(self.path("host.pub")) as public, open(self.path("known_hosts"), "w") as known:
            known.write(f"{self.name} {public.read()}")
        # An account whose password is locked is let in by key only through PAM.
        with open("/etc/shadow") as shadow:
            locked = any(line.startswith(f"{USER}:!") for line in shadow)
        with open(self.path("sshd_config"), "w") as config:
            config.write(f"""Port {self.port}
ListenAddress 127.0.0.1
HostKey {self.path("host")}
AuthorizedKeysFile {self.path("authorized_keys")}
PidFile none
StrictModes no
UsePAM {"yes" if locked else "no"}
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv PATH={BUILD}/src/main:/usr/bin:/bin HALE_CONFIG={site.config_path} {environment}
""")
        self.made_folder = not os.path.isdir("/run/sshd")
        if self.made_folder:
            os.mkdir("/run/sshd", 0o755)
        with open(self.path("log"), "w") as log:
            self.process = site.run(["/usr/sbin/sshd", "-D", "-e", "-f", self.path("sshd_config")], stdout=log, stderr=log)
        self.know("client")
        wait_for(self.listens, "sshd to listen")

    def path(self, name):
        return os.path.join(self.folder, name)

    def said(self):
        with open(self.path("log"), errors="replace") as log:
            return log.read()

    def listens(self):
        if self.process.poll() is not None:
            raise AssertionError("sshd ended: " + self.said())
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as peer:
            return peer.recv(4) == b"SSH-"
        return False

    def know(self, key):
        with open(self.client_file, "w") as config:
            config.write(f"Host {self.name}\n  HostName 127.0.0.1\n  HostKeyAlias {self.name}\n  UserKnownHostsFile {self.path('known_hosts')}\n"
                         f"  StrictHostKeyChecking yes\n  IdentityFile {self.path(key)}\n  IdentitiesOnly yes\n  IdentityAgent none\n")

    def url(self, port=None):
        return f"ssh://{USER}@{self.name}:{port or self.port}"

    def close(self):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.client_file)
        self.process.terminate()
        self.process.wait(20)
        if self.made_folder:
            with contextlib.suppress(OSError):
                os.rmdir("/run/sshd")


def sessions(port):
    """Processes of ssh that go to this port."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as line:
            words = line.read().split(b"\0")
            if words[0].endswith(b"ssh") and str(port).encode() in words:
                found.append(pid)
    return found


class Ssh(Case):
    def test_every_kind_of_conversation_goes_through_ssh(self):
        with Site() as site:
            demo = site.demo()
            site.start(f'services:\n  web: {{instances: ["{demo.address}"], check: {{http: /up}}}}\n')
            site.wait_state("web-1", "healthy")
            sshd = Sshd(site)
            self.addCleanup(sshd.close)
            # A token of this side means nothing over there, and none is sent: a wrong one would make the caller nobody.
            through = {"HALE_SERVER": sshd.url(), "HALE_TOKEN": "not-a-token-of-that-side"}

            there = site.cli("list", "-o", "json", environment=through)
            self.assertEqual(there.returncode, 0, there.stderr + sshd.said())
            here = site.cli("list", "-o", "json")
            self.assertEqual([item["instance"] for item in json.loads(there.stdout)["items"]], [item["instance"] for item in json.loads(here.stdout)["items"]])
            self.assertEqual(site.cli("check", "web-1", environment=through).returncode, 0)
            self.assertIn("web-1", site.cli("explain", "web", environment=through).stdout)
            self.assertEqual(site.cli("verify", "web", "--server", sshd.url(), environment={"HALE_TOKEN": ""}).returncode, 0)

            # The rights of that user, by the socket's credentials: root and the daemon's user are admin.
            self.assertEqual(site.cli("set", "web-1", "down", "--for", "1h", "--reason", "over ssh", environment=through).returncode, 0)
            self.assertEqual(site.verdict("web-1")["override"]["reason"], "over ssh")
            self.assertEqual(site.verdict("web-1")["override"]["author"], f"uid:{os.getuid()}")
            self.assertEqual(site.cli("token", "list", environment=through).returncode, 0)
            self.assertEqual(site.cli("unset", "web-1", environment=through).returncode, 0)

            # A stream: what happens while it is watched is told, and its end ends ssh.
            with open(sshd.path("watched"), "w") as watched:
                watching = site.run([site.binary, "watch", "web", "--for", "60s", "-o", "jsonl"], stdout=watched, stderr=watched, env={**os.environ, **through})
            wait_for(lambda: "hale_event_subscribers 1\n" in site.api_text("/metrics"), "the watcher to subscribe")
            demo.mode("sick")

            def told():
                with open(sshd.path("watched")) as watched:
                    return "unhealthy" in watched.read()

            wait_for(told, "the watcher to be told")
            self.assertEqual(site.end(watching), 130, "interrupted")
            site.processes.remove(watching)
            wait_for(lambda: not sessions(sshd.port), "every ssh to end")

    def test_what_fails_says_so_and_ends(self):
        with Site() as site:
            site.start("services: {}\n")
            sshd = Sshd(site)
            self.addCleanup(sshd.close)

            def ask(url, *verb):
                began = time.monotonic()
                ran = site.cli(*(verb or ("list",)), environment={"HALE_SERVER": url})
                return ran.returncode, ran.stderr, time.monotonic() - began

            # No sshd there: at once.
            closed = sshd.url(free_port())
            code, text, took = ask(closed)
            self.assertEqual(code, 6, text)
            self.assertIn(closed, text)
            self.assertIn("Connection refused", text)
            self.assertLess(took, 4)
            self.assertEqual(ask(closed, "check", "web")[0], 3)
            # A key that is not let in: no password is asked for.
            sshd.know("stranger")
            code, text, took = ask(sshd.url())
            self.assertEqual(code, 6, text)
            self.assertIn("Permission denied", text)
            self.assertIn(sshd.url(), text)
            sshd.know("client")
            # A machine that says it is another one.
            with open(sshd.path("known_hosts")) as known, open(sshd.path("stranger.pub")) as stranger:
                right, other = known.read(), stranger.read()
            with open(sshd.path("known_hosts"), "w") as known:
                known.write(f"{sshd.name} {other}")
            code, text, _ = ask(sshd.url())
            self.assertEqual(code, 6, text)
            with open(sshd.path("known_hosts"), "w") as known:
                known.write(right)
            self.assertEqual(ask(sshd.url())[0], 0)
            # There, but its daemon is not.
            site.stop()
            code, text, took = ask(sshd.url())
            self.assertEqual(code, 6, text)
            self.assertIn("no daemon answers here", text)
            self.assertIn(f"{site.folder}/hale.sock", text)
            wait_for(lambda: not sessions(sshd.port), "every ssh to end")


if __name__ == "__main__":
    unittest.main()
