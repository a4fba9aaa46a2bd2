"""Goal: a route is added and its host gets a certificate from an authority, which is served, renewed and kept; what goes
wrong is told in the authority's own sentence.
Method: the real daemon with Pebble, an authority made to find careless clients (it refuses one good nonce in five, and its
directory is elsewhere each time), and its DNS server; every kind of proof."""

import base64
import contextlib
import glob
import http.server
import json
import os
import socket
import ssl
import sys
import threading
import unittest
import urllib.error
import urllib.request

from harness import ROOT, Case, Site, free_port, wait_for

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from authority import Authority  # noqa: E402

QUICK = "defaults: {check: {interval: 200ms, timeout: 2s, confirm_interval: 100ms}}\n"
HMAC = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


class Pebble:
    """An authority that proves hosts at the given ports of this machine, whatever their names."""

    def __init__(self, site, http, https, external=False, slow=0):
        self.site = site
        self.own = Authority(site.folder, "Pebble's listener")
        chain, key = self.own.issue("pebble", ["localhost", "127.0.0.1"])
        self.management, dns_port = free_port(), free_port()
        _, self.dns = site.on_free_port(lambda port: ["pebble-challtestsrv", "-management", f"127.0.0.1:{port}", "-dns01", f"127.0.0.1:{dns_port}",
                                                      "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""])

        def argv(port):
            config = {"listenAddress": f"127.0.0.1:{port}", "managementListenAddress": f"127.0.0.1:{self.management}", "certificate": chain, "privateKey": key,
                      "httpPort": int(http), "tlsPort": int(https), "externalAccountBindingRequired": external}
            if external:
                config["externalAccountMACKeys"] = {"kid-1": HMAC}
            path = os.path.join(site.folder, "pebble.json")
            with open(path, "w") as out:
                json.dump({"pebble": config}, out)
            sleep = [f"PEBBLE_VA_SLEEPTIME={slow}"] if slow else ["PEBBLE_VA_NOSLEEP=1"]
            return ["/usr/bin/env", *sleep, "PEBBLE_VA_ALWAYS_VALID=0", "PEBBLE_WFE_NONCEREJECT=20", "PEBBLE_AUTHZREUSE=0",
                    "pebble", "-strict", "-config", path, "-dnsserver", f"127.0.0.1:{dns_port}"]

        self.process, self.address = site.on_free_port(argv)
        self.directory = f"https://localhost:{self.address.rsplit(':', 1)[1]}/dir"

    def root(self):
        """Who signs what it issues, as a file."""
        trust = ssl.create_default_context(cafile=self.own.path)
        with urllib.request.urlopen(f"https://127.0.0.1:{self.management}/roots/0", context=trust, timeout=10) as answer:
            data = answer.read()
        path = os.path.join(self.site.folder, "pebble-root.pem")
        with open(path, "wb") as out:
            out.write(data)
        return path

    def acme(self, more="", email="ops@a.test"):
        return f"acme: {{agree_tos: true, email: {email}, directory: \"{self.directory}\", ca: {self.own.path}{more}}}\n"


class Account:
    """Hale's account at the authority, in other hands: its key signs what the test wants."""

    def __init__(self, site, pebble):
        (path,) = glob.glob(os.path.join(site.state, "certificates", "account-*.json"))
        with open(path) as kept:
            record = json.load(kept)
        self.url = record["account"]
        self.key = serialization.load_pem_private_key(record["key"].encode(), None)
        assert isinstance(self.key.curve, ec.SECP256R1), self.key
        self.trust = ssl.create_default_context(cafile=pebble.own.path)
        self.directory = pebble.directory

    def ask(self, url, data=None, method=None):
        headers = {"Content-Type": "application/jose+json"} if data else {}
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), context=self.trust, timeout=10) as answer:
            return answer.headers, answer.read()

    def say(self, payload=None):
        """The account's document, after it was changed by `payload`."""
        def encoded(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

        new_nonce = json.loads(self.ask(self.directory)[1])["newNonce"]
        for _ in range(20):  # One nonce in five is refused.
            nonce = self.ask(new_nonce, method="HEAD")[0]["Replay-Nonce"]
            protected = encoded(json.dumps({"alg": "ES256", "kid": self.url, "nonce": nonce, "url": self.url}).encode())
            body = encoded(json.dumps(payload).encode()) if payload else ""
            r, s = decode_dss_signature(self.key.sign(f"{protected}.{body}".encode(), ec.ECDSA(hashes.SHA256())))
            letter = {"protected": protected, "payload": body, "signature": encoded(r.to_bytes(32, "big") + s.to_bytes(32, "big"))}
            with contextlib.suppress(urllib.error.HTTPError):
                return json.loads(self.ask(self.url, json.dumps(letter).encode())[1])
        raise AssertionError("twenty nonces were refused")


def shown(address, name, root=None):
    """The certificate that is served for a name, as DER; verified against `root`."""
    context = ssl.create_default_context(cafile=root) if root else ssl._create_unverified_context()
    host, port = address.rsplit(":", 1)
    with context.wrap_socket(socket.create_connection((host, int(port)), timeout=10), server_hostname=name) as stream:
        return stream.getpeercert(binary_form=True)


class Acme(Case):
    def serve(self, site, hosts, more="", http="127.0.0.1:0", https="127.0.0.1:0"):
        if not hasattr(self, "demo"):
            self.demo = site.demo()
        self.configure(site, hosts, more, http, https)
        site.start()
        self.http, self.https = (site.where[kind].rsplit(":", 1)[1] for kind in ("http", "https"))

    def configure(self, site, hosts, more, http="127.0.0.1:0", https="127.0.0.1:0"):
        text = (f'listen: {{http: "{http}", https: "{https}", admin: "127.0.0.1:0", socket: "{site.folder}/hale.sock"}}\nstate: {site.state}\nworkers: 2\ncheckers: 1\n'
                f"{QUICK}{more}services: {{web: {{hosts: [{hosts}], tls: true, instances: [\"{self.demo.address}\"], check: {{http: /}}}}}}\n")
        with open(site.config_path + ".new", "w") as out:
            out.write(text)
        os.replace(site.config_path + ".new", site.config_path)

    def reload(self, site, hosts, more):
        self.configure(site, hosts, more)
        site.api("/api/v1/config:reload", "POST", {})

    @staticmethod
    def certificate(site, host):
        status, answer = site.api(f"/api/v1/certificates/{host}", ok=False)
        return answer if status == 200 else None

    def wait_certificate(self, site, host, state, seconds=60):
        def there():
            one = self.certificate(site, host)
            return one if one and one["state"] == state else None

        try:
            return wait_for(there, f"the certificate of {host} to be {state}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.certificate(site, host)}") from None

    def test_a_route_is_added_and_its_certificate_comes_is_renewed_and_survives(self):
        with Site() as site:
            self.serve(site, "web.test")
            pebble = Pebble(site, self.http, self.https)
            # Served at once, by a certificate that says it is made up.
            shown(site.where["https"], "web.test")
            self.reload(site, "web.test", pebble.acme())
            self.wait_certificate(site, "web.test", "active")
            root = pebble.root()
            first = wait_for(lambda: self.trusted(site, "web.test", root), "the certificate to be served")
            # A second host, through the API, under load that loses nothing.
            with self.load(site, "web.test", root) as load:
                site.api("/api/v1/routes", "POST", {"host": "more.test", "service": "web"})
                self.wait_certificate(site, "more.test", "active")
                wait_for(lambda: self.trusted(site, "more.test", root), "the second certificate to be served")
                done = site.cli("cert", "renew", "web.test")
                self.assertEqual(done.returncode, 0, done.stderr)
                second = wait_for(lambda: (der := self.trusted(site, "web.test", root)) and der != first and der, "the renewed certificate to be served", 60)
            self.assertEqual(load["failed"], [])
            self.assertGreater(load["good"], 20)
            # It is told the same everywhere.
            listed = site.cli("cert", "list", "-o", "json")
            facts = {one["host"]: one for one in json.loads(listed.stdout)["items"]}
            self.assertEqual(facts["web.test"]["source"], "acme")
            self.assertEqual(facts["web.test"]["authority"], pebble.directory)
            self.assertIn("Pebble Intermediate", facts["web.test"]["issuer"])
            self.assertIn("web.test", site.cli("cert", "show", "web.test").stdout)
            metrics = site.api_text("/metrics")
            self.assertRegex(metrics, r'hale_certificate_not_after_timestamp_seconds\{host="web.test"\} 1\.?\d+')
            self.assertIn('hale_certificate_state{host="web.test",state="active"} 1', metrics)
            # For Hale alone on the disk.
            folder = os.path.join(site.state, "certificates")
            self.assertEqual(os.stat(folder).st_mode & 0o777, 0o700)
            for name in os.listdir(folder):
                self.assertEqual(os.stat(os.path.join(folder, name)).st_mode & 0o777, 0o600, name)
            # A restart serves it without asking anybody: the authority is gone.
            site.stop()
            site.end(pebble.process)
            self.serve(site, "web.test", pebble.acme())
            again = wait_for(lambda: self.trusted(site, "web.test", root), "the certificate to be served again")
            self.assertEqual(again, second)
            self.assertEqual(self.certificate(site, "web.test")["state"], "active")

    @staticmethod
    def trusted(site, name, root):
        with contextlib.suppress(ssl.SSLError, OSError):
            return shown(site.where["https"], name, root)
        return None

    @contextlib.contextmanager
    def load(self, site, name, root):
        """Handshakes without end, each verified."""
        counted = {"good": 0, "failed": []}
        stop = threading.Event()

        def run():
            while not stop.is_set():
                try:
                    shown(site.where["https"], name, root)
                    counted["good"] += 1
                except (ssl.SSLError, OSError) as error:
                    counted["failed"].append(str(error))

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield counted
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def test_a_failed_validation_is_told_in_the_authoritys_sentence(self):
        with Site() as site:
            self.serve(site, "web.test")
            # The authority looks for the proof where nobody listens.
            pebble = Pebble(site, free_port(), self.https)
            self.reload(site, "web.test", pebble.acme())
            one = self.wait_certificate(site, "web.test", "failed")
            self.assertIn("could not verify web.test by http-01", one["reason"])
            self.assertIn("connection refused", one["reason"])
            listed = site.cli("cert", "list").stdout
            self.assertIn("connection refused", listed)
            self.assertIn("failed", listed)
            self.assertIsNotNone(one["next_attempt"])

    def test_an_authority_that_is_slow_is_waited_for_and_meanwhile_hosts_are_served(self):
        with Site() as site:
            self.serve(site, "web.test")
            pebble = Pebble(site, self.http, self.https, slow=3)
            self.reload(site, "web.test", pebble.acme())
            with self.load(site, "web.test", None) as load:
                seen = set()

                def done():
                    seen.add((self.certificate(site, "web.test") or {}).get("state"))
                    return "active" in seen or "failed" in seen

                wait_for(done, "the slow order to end", 90)
            self.assertIn("acquiring", seen)
            self.assertNotIn("failed", seen, self.certificate(site, "web.test"))
            self.assertEqual(load["failed"], [])

    def test_the_contact_follows_the_file_and_a_closed_account_is_replaced(self):
        with Site() as site:
            self.serve(site, "web.test")
            pebble = Pebble(site, self.http, self.https)
            self.reload(site, "web.test", pebble.acme())
            self.wait_certificate(site, "web.test", "active")
            root = pebble.root()
            first = wait_for(lambda: self.trusted(site, "web.test", root), "the certificate to be served")
            account = Account(site, pebble)
            self.assertEqual(account.say()["contact"], ["mailto:ops@a.test"])
            self.reload(site, "web.test", pebble.acme(email="night@a.test"))
            wait_for(lambda: account.say()["contact"] == ["mailto:night@a.test"], "the authority to know the new contact", 30)
            # As after a key was lost: somebody closes the account. The next order makes another one, with another key.
            self.assertEqual(account.say({"status": "deactivated"})["status"], "deactivated")
            ran = site.cli("cert", "renew", "web.test")
            self.assertEqual(ran.returncode, 0, ran.stderr)
            wait_for(lambda: (der := self.trusted(site, "web.test", root)) and der != first, "the renewed certificate to be served", 60)
            second = Account(site, pebble)
            self.assertNotEqual(second.url, account.url)
            self.assertEqual(second.say()["contact"], ["mailto:night@a.test"])
            self.assertIn("does not take our account", site.log_text())
            # Who asked for it by hand is in the audit.
            asked = [one for one in site.api("/api/v1/audit")[1]["items"] if one["action"].endswith(":renew")]
            self.assertEqual([(one["action"], one["object"], json.loads(one["detail"])) for one in asked],
                             [("POST /api/v1/certificates/web.test:renew", "web.test", {"outcome": "accepted"})])
            self.assertTrue(asked[0]["actor"])

    def test_hosts_are_proved_by_each_challenge(self):
        with Site() as site:
            self.serve(site, "web.test")
            pebble = Pebble(site, self.http, self.https)
            root = pebble.root()
            self.reload(site, "alpn.test", pebble.acme(", challenge: tls-alpn-01"))
            self.wait_certificate(site, "alpn.test", "active")
            wait_for(lambda: self.trusted(site, "alpn.test", root), "alpn.test to be served")
            # By a command.
            hook = os.path.join(site.folder, "hook")
            with open(hook, "w") as out:
                out.write(f"""#!/usr/bin/python3
import json, sys, urllib.request
what, name, value = sys.argv[-3:]
body = {{"host": name + "."}}
if what == "present": body["value"] = value
urllib.request.urlopen("http://{pebble.dns}/" + ("set-txt" if what == "present" else "clear-txt"), json.dumps(body).encode(), timeout=10)
""")
            os.chmod(hook, 0o755)
            os.chmod(site.folder, 0o755)
            self.reload(site, '"*.wild.test"', pebble.acme(f", challenge: dns-01, dns_hook: {{exec: [{hook}]}}"))
            self.wait_certificate(site, "*.wild.test".replace("*", "%2A"), "active")
            wait_for(lambda: self.trusted(site, "any.wild.test", root), "*.wild.test to be served")
            # By a webhook.
            seen = []

            class Hook(http.server.BaseHTTPRequestHandler):
                def tell(self):
                    said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                    seen.append((self.command, said["name"]))
                    body = {"host": said["name"] + "."} | ({"value": said["value"]} if self.command == "POST" else {})
                    urllib.request.urlopen(f"http://{pebble.dns}/" + ("set-txt" if self.command == "POST" else "clear-txt"), json.dumps(body).encode(), timeout=10)
                    self.send_response(204)
                    self.end_headers()

                do_POST = do_DELETE = tell

                def log_message(self, *_):
                    pass

            with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
                threading.Thread(target=server.serve_forever).start()
                try:
                    self.reload(site, "hooked.test", pebble.acme(f", challenge: dns-01, dns_hook: {{url: \"http://127.0.0.1:{server.server_port}/\"}}"))
                    self.wait_certificate(site, "hooked.test", "active")
                finally:
                    server.shutdown()
            self.assertEqual(seen, [("POST", "_acme-challenge.hooked.test"), ("DELETE", "_acme-challenge.hooked.test")])

    def test_an_authority_that_knows_its_customers_from_elsewhere(self):
        with Site() as site:
            self.serve(site, "web.test")
            pebble = Pebble(site, self.http, self.https, external=True)
            self.reload(site, "web.test", pebble.acme())
            one = self.wait_certificate(site, "web.test", "failed")
            self.assertIn("acme.eab", one["reason"])
            with open(os.path.join(site.folder, "hmac"), "w") as out:
                out.write(HMAC + "\n")
            self.reload(site, "web.test", pebble.acme(f", eab: {{key_id: kid-1, hmac: \"file:{site.folder}/hmac\"}}"))
            site.cli("cert", "renew", "web.test")
            self.wait_certificate(site, "web.test", "active")

    def test_a_host_that_nobody_declared_gets_its_certificate_on_demand(self):
        with Site() as site:
            self.serve(site, "web.test, \"*\"")
            pebble = Pebble(site, self.http, self.https)
            asked = []

            class Ask(http.server.BaseHTTPRequestHandler):
                def do_GET(self):
                    asked.append(self.path)
                    self.send_response(200 if "customer" in self.path else 404)
                    self.end_headers()

                def log_message(self, *_):
                    pass

            with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ask) as server:
                threading.Thread(target=server.serve_forever).start()
                try:
                    self.reload(site, "web.test, \"*\"", pebble.acme(f", on_demand: {{ask: \"http://127.0.0.1:{server.server_port}/may\", per_hour: 3}}"))
                    self.wait_certificate(site, "web.test", "active")
                    root = pebble.root()
                    for name in ("customer.test", "stranger.test", "stranger.test", "another.test", "fourth.test", "customer.test"):
                        with contextlib.suppress(ssl.SSLError):
                            shown(site.where["https"], name)
                        if name == "stranger.test":
                            wait_for(lambda: len(asked) >= 2, "the question")
                    self.wait_certificate(site, "customer.test", "active")
                    wait_for(lambda: self.trusted(site, "customer.test", root), "customer.test to be served")
                    self.assertIsNone(self.certificate(site, "stranger.test"))
                    self.assertEqual(asked[:2], ["/may?domain=customer.test", "/may?domain=stranger.test"])
                    self.assertEqual(len(asked), 3, asked)
                finally:
                    server.shutdown()


if __name__ == "__main__":
    unittest.main()
