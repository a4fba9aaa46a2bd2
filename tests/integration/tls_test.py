"""Goal: TLS with everybody: clients of the listener, instances, probes, the admin API; and what can't serve is refused by
file and reason while what served goes on.
Method: the real daemon, `openssl s_client`, Python's ssl and real nginx, with an authority of the tests' own."""

import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import unittest

from harness import ROOT, Case, Site, request, wait_for

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from authority import Authority  # noqa: E402

QUICK = "defaults: {check: {interval: 200ms, timeout: 2s, confirm_interval: 100ms}}\n"


def believing(authority, verify=True):
    context = ssl.create_default_context(cafile=authority.path if verify else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def secure(address, context, name):
    host, port = address.rsplit(":", 1)
    return context.wrap_socket(socket.create_connection((host, int(port)), timeout=10), server_hostname=name)


def ask(address, context, name, path="/", host=None, extra=""):
    """One request over TLS; returns (status line and head, body)."""
    with secure(address, context, name) as stream:
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {host or name}\r\nConnection: close\r\n{extra}\r\n".encode())
        data = b""
        while piece := stream.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    return head.decode(), body


def s_client(address, *arguments, send=b""):
    done = subprocess.run(["openssl", "s_client", "-connect", address, *arguments], input=send, capture_output=True, timeout=30)
    return (done.stdout + done.stderr).decode(errors="replace")


class Tls(Case):
    def site(self):
        site = Site()
        self.addCleanup(lambda: None)
        return site

    def serve(self, site, text, listen=""):
        """Starts with an https listener; `text` follows the listeners."""
        listeners = f'http: "127.0.0.1:0", https: "127.0.0.1:0", admin: "127.0.0.1:0", socket: "{site.folder}/hale.sock"{listen}'
        self.write(site, f"listen: {{{listeners}}}\nstate: {site.state}\nworkers: 2\ncheckers: 1\n{QUICK}{text}")
        site.start()
        return site

    @staticmethod
    def write(site, text):
        with open(site.config_path + ".new", "w") as out:
            out.write(text)
        os.replace(site.config_path + ".new", site.config_path)

    def test_traffic_over_tls_by_every_kind_of_client(self):
        with self.site() as site:
            authority = Authority(site.folder)
            web = authority.issue("web", ["web.test", "*.wild.test"])
            rsa = authority.issue("rsa", ["web.test"], kind="rsa")
            other = authority.issue("other", ["other.test"])
            demo = site.demo()
            files = ", ".join(f"{{chain: {chain}, key: {key}}}" for chain, key in (web, rsa, other))
            self.serve(site, f"tls: {{certificates: [{files}]}}\n"
                             f"services: {{web: {{hosts: [web.test, a.wild.test, other.test, new.test], tls: {{redirect: 301, hsts: 30d}}, instances: [\"{demo.address}\"], check: {{http: /}}}}}}\n")
            site.wait_state("web-1", "healthy")
            https = site.where["https"]
            trust = believing(authority)
            for name in ("web.test", "a.wild.test", "other.test"):
                head, _ = ask(https, trust, name)
                self.assertIn(" 200 ", head.splitlines()[0], head)
                self.assertIn("strict-transport-security: max-age=2592000", head.lower())
            # Without TLS: sent there, to the port it is at.
            status, fields, _ = site.traffic("web.test", "/x?y=1")
            self.assertEqual((status, fields["location"]), (301, f"https://web.test:{https.rsplit(':', 1)[1]}/x?y=1"))
            # The matrix: versions, both kinds of keys, ALPN, and what must fail.
            for arguments, wanted in (
                (["-tls1_3"], "TLSv1.3"), (["-tls1_2"], "TLSv1.2"), (["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "Cipher is ECDHE-RSA"),
                (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "Cipher is ECDHE-ECDSA"), (["-sigalgs", "RSA-PSS+SHA256"], "Server public key is 2048 bit"),
                (["-alpn", "h2,http/1.1"], "ALPN protocol: http/1.1"), (["-tls1_1", "-cipher", "ALL@SECLEVEL=0"], "alert protocol version"),
                (["-alpn", "smtp"], "no application protocol"),
            ):
                self.assertIn(wanted, s_client(https, "-servername", "web.test", "-CAfile", authority.path, *arguments), arguments)
            self.assertIn("unrecognized name", s_client(https, "-servername", "foreign.test"))
            self.assertIn("Verify return code: 0 (ok)", s_client(https, "-servername", "web.test", "-CAfile", authority.path))
            # Served before it has a certificate: made up, and saying so.
            made_up = s_client(https, "-servername", "new.test")
            self.assertIn("Hale placeholder", made_up)
            # Sessions are resumed, by whichever worker takes the connection.
            for version in ("-tls1_3", "-tls1_2"):
                session = os.path.join(site.folder, "session" + version)
                s_client(https, "-servername", "web.test", version, "-ign_eof", "-sess_out", session, send=b"GET / HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n")
                for _ in range(4):
                    self.assertIn("Reused, ", s_client(https, "-servername", "web.test", version, "-sess_in", session))
                # Who resumed can resume again by what it was given then.
                for _ in range(3):
                    again = s_client(https, "-servername", "web.test", version, "-ign_eof", "-sess_in", session, "-sess_out", session,
                                     send=b"GET / HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n")
                    self.assertIn("Reused, ", again)
                if version == "-tls1_3":
                    self.assertIn("TLS session ticket:", again)
            # No renegotiation: TLS 1.2 would allow a client to ask for one.
            self.assertNotIn("200 OK", s_client(https, "-servername", "web.test", "-tls1_2", send=b"R\nGET / HTTP/1.1\r\nHost: web.test\r\n\r\n"))
            # The wrong language, both ways.
            host, port = https.rsplit(":", 1)
            with socket.create_connection((host, int(port)), timeout=10) as plain:
                plain.sendall(b"GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
                told = plain.recv(65536).decode()
            self.assertIn("400", told.splitlines()[0])
            self.assertIn("Try https://", told)
            self.assertIn("wrong version number", s_client(site.where["http"]))
            metrics = site.api_text("/metrics")
            self.assertRegex(metrics, r'hale_tls_handshakes_total\{[^}]*result="resumed"[^}]*\} [1-9]')

    def test_only_the_newest_tls_where_that_is_said(self):
        with self.site() as site:
            authority = Authority(site.folder)
            chain, key = authority.issue("web", ["web.test"])
            demo = site.demo()
            self.serve(site, f"tls: {{min_version: \"1.3\", certificates: [{{chain: {chain}, key: {key}}}]}}\n"
                             f"services: {{web: {{hosts: [web.test], tls: true, instances: [\"{demo.address}\"], check: {{http: /}}}}}}\n")
            self.assertIn("alert protocol version", s_client(site.where["https"], "-servername", "web.test", "-tls1_2"))
            self.assertIn("TLSv1.3", s_client(site.where["https"], "-servername", "web.test", "-tls1_3"))

    def serve_web(self, site, authority, chain, key):
        """web.test by that pair; returns who believes the authority, and a function that tells which certificate is shown."""
        self.serve(site, f"tls: {{certificates: [{{chain: {chain}, key: {key}}}]}}\n"
                         f"services: {{web: {{hosts: [web.test], tls: true, instances: [\"{site.demo().address}\"], check: {{http: /}}}}}}\n")
        site.wait_state("web-1", "healthy")
        trust = believing(authority)

        def shown():
            with secure(site.where["https"], trust, "web.test") as stream:
                return stream.getpeercert()["serialNumber"]

        return trust, shown

    def test_v19_what_cannot_serve_is_refused_by_file_and_reason_and_the_old_one_kept(self):
        with self.site() as site:
            authority = Authority(site.folder)
            good = authority.issue("good", ["web.test"])
            bad = {
                "the certificate expired at": authority.issue("expired", ["web.test"], days=-1, begins=-30),
                "is not valid before": authority.issue("early", ["web.test"], begins=5),
                "is not this certificate's": (good[0], authority.issue("another", ["web.test"])[1]),
                "is encrypted": authority.issue("locked", ["web.test"], password=b"hush"),
                "everybody on this machine may use it": authority.issue("open", ["web.test"], mode=0o644),
                "no such file": (site.folder + "/nowhere.pem", good[1]),
            }
            with open(good[0]) as whole:
                text = whole.read()
            for name, part in (("cut", text[: len(text) // 2]), ("empty", "")):
                with open(f"{site.folder}/{name}.pem", "w") as out:
                    out.write(part)
            bad["is the file complete?"] = (site.folder + "/cut.pem", good[1])
            bad["there is no certificate in it"] = (site.folder + "/empty.pem", good[1])
            demo = site.demo()
            tail = f"services: {{web: {{hosts: [web.test], tls: true, instances: [\"{demo.address}\"], check: {{http: /}}}}}}\n"
            self.serve(site, f"tls: {{certificates: [{{chain: {good[0]}, key: {good[1]}}}]}}\n{tail}")
            site.wait_state("web-1", "healthy")
            with open(site.config_path) as current:
                whole = current.read()
            for reason, (chain, key) in bad.items():
                self.write(site, whole.replace(f"chain: {good[0]}, key: {good[1]}", f"chain: {chain}, key: {key}"))
                checked = site.cli("config", "check", site.config_path)
                self.assertEqual(checked.returncode, 1 if checked.returncode == 1 else 2, checked.stdout + checked.stderr)
                said = checked.stdout + checked.stderr
                self.assertRegex(said, r"hale\.yml:\d+:\d+: tls\.certificates\[0\]")
                self.assertIn(reason, said)
                self.assertTrue(chain in said or key in said, said)
                self.assertNotEqual(site.cli("config", "reload").returncode, 0)
                head, _ = ask(site.where["https"], believing(authority), "web.test")
                self.assertIn(" 200 ", head)

    def test_v19_what_is_renewed_badly_is_told_by_the_running_daemon_and_the_old_one_kept(self):
        """The files lie where they lay and nobody asks for a reload: each bad pair is refused by file and reason, in the log and over
        the API, what was shown is shown on, and a good pair mends it."""
        with self.site() as site:
            authority = Authority(site.folder)
            folder = os.path.join(site.folder, "certificates")
            os.mkdir(folder)
            chain, key = authority.issue("certificates/web", ["web.test"])
            made = os.path.join(site.folder, "made")
            os.mkdir(made)
            other = authority.issue("made/other", ["web.test"])

            def cut(path, name):
                with open(path) as whole:
                    text = whole.read()
                with open(os.path.join(made, name), "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
                    out.write(text[: len(text) // 2])
                return os.path.join(made, name)

            bad = {
                "the certificate expired at": authority.issue("made/expired", ["web.test"], days=-1, begins=-30),
                "is not valid before": authority.issue("made/early", ["web.test"], begins=5),
                "the private key is not this certificate's": (other[0], authority.issue("made/another", ["web.test"])[1]),
                "is encrypted": authority.issue("made/locked", ["web.test"], password=b"hush"),
                "everybody on this machine may use it": authority.issue("made/open", ["web.test"], mode=0o644),
                "is the file complete?": (cut(other[0], "cut.pem"), other[1]),
                "the private key can't be read": (other[0], cut(other[1], "cut.key")),
            }
            trust, shown = self.serve_web(site, authority, chain, key)

            def put(pair):
                """Renamed over what was there, the way the guide says."""
                for source, target in zip(pair, (chain, key)):
                    shutil.copy2(source, target + ".new")
                    os.replace(target + ".new", target)

            def told(reason):
                reload = site.api("/api/v1/config")[1]["reload"]
                return not reload["ok"] and any(reason in problem for problem in reload["problems"]) and reload

            serial = shown()
            for reason, pair in bad.items():
                with self.subTest(reason):
                    put(pair)
                    reload = wait_for(lambda: told(reason), f"\"{reason}\" to be told; told is {site.api('/api/v1/config')[1]['reload']}", 20)
                    said = next(problem for problem in reload["problems"] if reason in problem)
                    self.assertRegex(said, r"hale\.yml:\d+:\d+: tls\.certificates\[0\]")
                    self.assertTrue(chain in said or key in said, said)
                    self.assertIn(f"not reloaded: {said}", site.log_text())
                    self.assertEqual(shown(), serial)
                    good = authority.issue("made/good", ["web.test"])
                    put(good)
                    wait_for(lambda: shown() != serial, "a good pair to be shown", 20)
                    serial = shown()
                    self.assertTrue(site.api("/api/v1/config")[1]["reload"]["ok"])
            # A good one for another name is of no use to the host that it was for.
            put(authority.issue("made/wrong", ["elsewhere.test"]))
            wait_for(lambda: f"{chain}: the certificate in it is not for web.test, as the one before was: that one is kept" in site.log_text(), "a refusal", 20)
            self.assertEqual(shown(), serial)
            put(authority.issue("made/both", ["elsewhere.test", "web.test"]))
            wait_for(lambda: shown() != serial, "a good pair to be shown", 20)
            # A host that no file was ever for is told of.
            self.assertNotIn("web.test is served over TLS with a made-up certificate", site.log_text())
            with open(site.config_path) as current:
                whole = current.read()
            self.write(site, whole.replace("hosts: [web.test]", "hosts: [web.test, new.test]"))
            self.assertEqual(site.cli("config", "reload").returncode, 0)
            wait_for(lambda: "new.test is served over TLS with a made-up certificate" in site.log_text(), "a warning", 20)
            self.assertIn("Hale placeholder", s_client(site.where["https"], "-servername", "new.test"))

    def test_renewed_files_are_shown_without_being_asked_to(self):
        with self.site() as site:
            authority = Authority(site.folder)
            folder = os.path.join(site.folder, "certificates")
            os.mkdir(folder)
            chain, key = authority.issue("certificates/web", ["web.test"], days=20)
            trust, shown = self.serve_web(site, authority, chain, key)
            first = shown()
            failed, over = [], threading.Event()

            def load():
                while not over.is_set():
                    try:
                        head, _ = ask(site.where["https"], trust, "web.test")
                        if " 200 " not in head:
                            failed.append(head)
                    except OSError as error:
                        failed.append(repr(error))

            loads = [threading.Thread(target=load) for _ in range(2)]
            for one in loads:
                one.start()
            try:
                authority.issue("certificates/web", ["web.test"], days=80)
                wait_for(lambda: shown() != first, "the renewed certificate", 20)
            finally:
                over.set()
                for one in loads:
                    one.join()
            self.assertEqual(failed, [])

    def test_clients_show_certificates_where_a_service_wants_them(self):
        with self.site() as site:
            authority, people = Authority(site.folder), Authority(site.folder, "People")
            chain, key = authority.issue("web", ["closed.test", "open.test"])
            own = people.issue("somebody", ["somebody"])
            stranger = Authority(site.folder, "Stranger").issue("stranger", ["stranger"])
            demo = site.demo()
            self.serve(site, f"tls: {{certificates: [{{chain: {chain}, key: {key}}}]}}\nservices:\n"
                             f"  closed: {{hosts: [closed.test], tls: {{client_certificates: require, client_ca: {people.path}}}, instances: [\"{demo.address}\"], check: {{http: /}}}}\n"
                             f"  open: {{hosts: [open.test], tls: true, instances: [\"{demo.address}\"], check: {{http: /}}}}\n")
            site.wait_state("closed-1", "healthy")
            site.wait_state("open-1", "healthy")
            https = site.where["https"]

            def context(pair):
                made = believing(authority)
                if pair:
                    made.load_cert_chain(*pair)
                return made

            self.assertIn(" 200 ", ask(https, context(own), "closed.test")[0])
            self.assertIn("client_certificate_missing", ask(https, context(None), "closed.test")[0])
            self.assertIn("misdirected", ask(https, context(own), "open.test", host="closed.test")[0])
            self.assertIn(" 200 ", ask(https, context(None), "open.test")[0])
            with self.assertRaises(OSError):
                ask(https, context(stranger), "closed.test")

    def test_each_route_redirects_and_asks_for_certificates_by_its_own_word(self):
        with self.site() as site:
            authority, people = Authority(site.folder), Authority(site.folder, "People")
            chain, key = authority.issue("web", ["web.test"])
            demo = site.demo()
            self.serve(site, f"tls: {{certificates: [{{chain: {chain}, key: {key}}}]}}\nservices:\n  web:\n    tls: true\n"
                             f"    instances: [\"{demo.address}\"]\n    check: {{http: /up}}\n    routes:\n      - {{host: web.test}}\n"
                             "      - {host: web.test, path: /old, tls: {redirect: 301}}\n      - {host: web.test, path: /plain, tls: false}\n"
                             f"      - {{host: web.test, path: /people, tls: {{client_certificates: require, client_ca: {people.path}}}}}\n")
            site.wait_state("web-1", "healthy")
            somebody = believing(authority)
            somebody.load_cert_chain(*people.issue("somebody", ["somebody"]))
            statuses = {}
            for path in ("/", "/old", "/plain", "/people"):
                clear = request(site.where["http"], path=path, headers={"Host": "web.test"})[0]
                statuses[path] = [clear] + [int(ask(site.where["https"], context, "web.test", path=path)[0].split()[1]) for context in (believing(authority), somebody)]
            # The demo knows no such paths but the first: 404 is its own answer.
            self.assertEqual(statuses, {"/": [308, 200, 200], "/old": [301, 404, 404], "/plain": [404, 404, 404], "/people": [308, 403, 404]})

    def nginx(self, site, port, chain, key, more=""):
        path = os.path.join(site.folder, f"nginx-{port}.conf")
        with open(path, "w") as out:
            out.write(f"worker_processes 1; daemon off; pid {site.folder}/nginx-{port}.pid; error_log {site.folder}/nginx.err; events {{ worker_connections 256; }}\n"
                      f"http {{ access_log off; server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {chain}; ssl_certificate_key {key}; {more}\n"
                      f"location / {{ return 200 \"$ssl_server_name $ssl_alpn_protocol $ssl_client_s_dn\\n\"; }} }} }}\n")
        return ["nginx", "-c", path]

    def test_instances_and_probes_over_tls_to_a_real_nginx(self):
        with self.site() as site:
            authority = Authority(site.folder)
            chain, key = authority.issue("back", ["back.test", "127.0.0.1"])
            soon = authority.issue("soon", ["back.test", "127.0.0.1"], days=5)
            own = authority.issue("own", ["hale.test"])
            _, good = site.on_free_port(lambda port: self.nginx(site, port, chain, key))
            _, ending = site.on_free_port(lambda port: self.nginx(site, port, *soon))
            _, strict = site.on_free_port(lambda port: self.nginx(site, port, chain, key, f"ssl_client_certificate {authority.path}; ssl_verify_client on;"))
            pin = subprocess.run(["sh", "-c", f"openssl x509 -in {chain} -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum"], capture_output=True, text=True, check=True).stdout.split()[0]
            ca = f"ca: {authority.path}"
            self.serve(site, "services:\n"
                       f"  good: {{hosts: [good.test], upstream_tls: {{{ca}, name: back.test, pin: {pin}}}, instances: [\"https://{good}\"], check: {{http: /}}}}\n"
                       f"  unbelieved: {{hosts: [unbelieved.test], instances: [\"https://{good}\"], check: {{http: /}}}}\n"
                       f"  unverified: {{hosts: [unverified.test], upstream_tls: {{verify: false, alpn: [http/1.1]}}, instances: [\"https://{good}\"], check: {{http: /}}}}\n"
                       f"  named: {{hosts: [named.test], upstream_tls: {{{ca}, name: wrong.test}}, instances: [\"https://{good}\"], check: {{http: /, tls_name: back.test}}}}\n"
                       f"  pinned: {{instances: [\"https://{good}\"], check: {{http: /, tls_ca: {authority.path}, tls_pin: {'0' * 64}}}}}\n"
                       f"  ending: {{instances: [\"https://{ending}\"], check: {{http: /, tls_verify: false}}}}\n"
                       f"  later: {{instances: [\"https://{ending}\"], check: {{http: /, tls_ca: {authority.path}, tls_warn_before: 2d, tls_alpn: [http/1.1]}}}}\n"
                       f"  strict: {{hosts: [strict.test], upstream_tls: {{{ca}, certificate: {own[0]}, key: {own[1]}}}, instances: [\"https://{strict}\"], check: {{http: /}}}}\n"
                       f"  shy: {{instances: [\"https://{strict}\"], check: {{http: /, tls_ca: {authority.path}}}}}\n"
                       f"  shown: {{instances: [\"https://{strict}\"], check: {{http: /, tls_ca: {authority.path}, tls_certificate: {own[0]}, tls_key: {own[1]}}}}}\n")
            for service, state, reason in (
                ("good", "healthy", "ok"), ("unbelieved", "unhealthy", "tls_failure"), ("unverified", "healthy", "ok"), ("named", "healthy", "ok"),
                ("pinned", "unhealthy", "tls_failure"), ("ending", "degraded", "certificate_expiring"), ("later", "healthy", "ok"), ("strict", "healthy", "ok"),
                ("shy", "unhealthy", "status_mismatch"), ("shown", "healthy", "ok"),
            ):
                try:
                    verdict = site.wait_state(f"{service}-1", state)
                except AssertionError as late:
                    raise AssertionError(f"{late}: {site.verdict(f'{service}-1')}") from late
                self.assertEqual(verdict["reason"]["code"] if reason != "ok" else "ok", reason, verdict)
            self.assertIn("its certificate ends in", site.verdict("ending-1")["reason"]["text"])
            self.assertIn("certificate verify failed: unable to get local issuer certificate", site.verdict("unbelieved-1")["reason"]["text"])
            self.assertIn("not the pinned one", site.verdict("pinned-1")["reason"]["text"])
            self.assertEqual(site.traffic("good.test")[2].decode().split()[0], "back.test")
            self.assertIn("http/1.1", site.traffic("unverified.test")[2].decode())
            self.assertIn("CN=hale.test", site.traffic("strict.test")[2].decode())
            self.assertEqual(site.traffic("named.test")[0], 502)
            self.assertEqual(site.traffic("named.test")[1]["hale-reason"], "upstream_connect")
            # Turned off is told by doctor, for the service and for the check.
            doctor = site.cli("doctor", "-o", "json")
            self.assertEqual(doctor.stdout.count("certificates are not verified"), 2, doctor.stdout)
            site.api("/api/v1/services/added", "PUT", {"instances": [f"https://{good}"], "upstream_tls": {"verify": False}, "check": {"http": "/"}})
            self.assertEqual(site.cli("doctor", "-o", "json").stdout.count("certificates are not verified"), 3)
            # From the command line: the same engine.
            done = site.cli("check", f"https://{good}/", "-o", "json")
            self.assertEqual(json.loads(done.stdout)["code"], "tls_failure", done.stdout)

    @staticmethod
    def service(site, name):
        return site.api(f"/api/v1/services/{name}/verdict")[1]

    def wait_service(self, site, name, state, reason):
        def there():
            told = self.service(site, name)
            return told["state"] == state and told["reason"]["code"] == reason and told

        try:
            return wait_for(there, f"{name} to be {state} for {reason}", 30)
        except AssertionError as late:
            raise AssertionError(f"{late}: {self.service(site, name)}") from late

    def test_the_way_users_come_is_checked_too(self):
        with self.site() as site:
            authority = Authority(site.folder)
            chain, key = authority.issue("safe", ["safe.test"])
            demo = site.demo()
            os.mkdir(os.path.join(site.folder, "nothing"))
            _, bare = site.on_free_port(lambda port: [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", f"{site.folder}/nothing"])
            way = "http: /up, via: proxy, interval: 200ms, confirm_interval: 100ms"
            one = f"instances: [\"{demo.address}\"]"
            self.serve(site, f"tls: {{certificates: [{{chain: {chain}, key: {key}}}]}}\nservices:\n"
                       f"  well: {{hosts: [well.test], {one}, checks: {{main: {{http: /up}}, way: {{{way}}}}}}}\n"
                       f"  safe: {{hosts: [safe.test], tls: true, {one}, checks: {{main: {{http: /up}}, way: {{{way}, tls_ca: {authority.path}}}}}}}\n"
                       f"  made-up: {{hosts: [made-up.test], tls: true, {one}, checks: {{main: {{http: /up}}, way: {{{way}, tls_ca: {authority.path}}}}}}}\n"
                       f"  unrouted: {{hosts: [unrouted.test], {one}, checks: {{main: {{http: /up}}, way: {{{way}, host: elsewhere.test}}}}}}\n"
                       f"  hidden: {{hosts: [hidden.test], {one}, checks: {{main: {{http: /up}}, way: {{{way}, critical: false}}}}}}\n"
                       f"  bare: {{routes: [{{host: hidden.test, path: /up}}], instances: [\"{bare}\"], check: {{http: /}}}}\n")
            for name in ("well", "safe", "made-up", "unrouted", "hidden", "bare"):
                site.wait_state(f"{name}-1", "healthy")
            self.wait_service(site, "well", "healthy", "ok")
            self.wait_service(site, "safe", "healthy", "ok")
            # Users are shown a placeholder: directly nothing is wrong.
            told = self.wait_service(site, "made-up", "unhealthy", "tls_failure")
            self.assertIn("certificate verify failed", told["reason"]["text"])
            told = self.wait_service(site, "unrouted", "unhealthy", "route_missing")
            self.assertIn("for elsewhere.test through the proxy: answered 404", told["reason"]["text"])
            self.assertIn("Hale itself answered: no_route", told["reason"]["text"])
            # Another service's route takes the path; advisory, so the service is but degraded.
            told = self.wait_service(site, "hidden", "degraded", "route_missing")
            self.assertIn(f"asked directly, {demo.address} answers 200", told["reason"]["text"])
            # No instance leaves traffic by what lies before it.
            for name in ("unrouted", "hidden"):
                self.assertEqual(site.verdict(f"{name}-1")["state"], "healthy")
            self.assertEqual(site.traffic("hidden.test", "/")[0], 200)
            # The route comes, and all is well without anybody touching the service.
            with open(site.config_path) as current:
                whole = current.read()
            self.write(site, whole.replace("hosts: [unrouted.test]", "hosts: [unrouted.test, elsewhere.test]"))
            self.assertEqual(site.cli("config", "reload").returncode, 0)
            self.wait_service(site, "unrouted", "healthy", "ok")

    def test_a_certificate_of_our_own_that_ends_soon_degrades_whom_it_is_shown_for(self):
        with self.site() as site:
            authority = Authority(site.folder)
            folder = os.path.join(site.folder, "certificates")
            os.mkdir(folder)
            chain, key = authority.issue("certificates/web", ["web.test"], days=10)
            late = authority.issue("late", ["late.test"], days=60)
            demo = site.demo()
            self.serve(site, f"tls: {{certificates: [{{chain: {chain}, key: {key}}}, {{chain: {late[0]}, key: {late[1]}}}]}}\nservices:\n"
                             f"  web: {{hosts: [web.test], tls: true, instances: [\"{demo.address}\"], check: {{http: /}}}}\n"
                             f"  late: {{hosts: [late.test], tls: true, instances: [\"{demo.address}\"], check: {{http: /}}}}\n")
            told = self.wait_service(site, "web", "degraded", "certificate_expiring")
            self.assertIn(f"the certificate that Hale shows for web.test ({chain}) ends at 20", told["reason"]["text"])
            self.wait_service(site, "late", "healthy", "ok")
            self.assertEqual(site.wait_state("web-1", "healthy")["reason"]["code"], "ok")
            self.assertIn("certificate_expiring", site.cli("doctor", "-o", "json").stdout)
            self.assertIn(" 200 ", ask(site.where["https"], believing(authority), "web.test")[0])
            authority.issue("certificates/web", ["web.test"], days=80)
            self.wait_service(site, "web", "healthy", "ok")

    def test_the_admin_api_over_tls(self):
        with self.site() as site:
            authority = Authority(site.folder)
            chain, key = authority.issue("admin", ["127.0.0.1", "localhost"])
            listen = f'listen: {{admin: "127.0.0.1:0", health: "127.0.0.1:0", socket: "{site.folder}/hale.sock"}}\nstate: {site.state}\nadmin: {{certificate: {{chain: {chain}, key: {key}}}}}\n'
            self.write(site, listen)
            site.start(wait=False)

            def there():
                with contextlib.suppress(OSError, ValueError):
                    with open(os.path.join(site.state, "listen.json")) as where:
                        site.where = json.load(where)
                    return True
                return False

            wait_for(there, "listen.json", 60)
            server = "https://" + site.where["admin"]
            listed = site.cli("list", environment={"HALE_SERVER": server, "HALE_CA": authority.path})
            self.assertIn(listed.returncode, (0, 3), listed.stderr)
            self.assertNotIn("no daemon", listed.stderr)
            unbelieved = site.cli("list", environment={"HALE_SERVER": server})
            self.assertIn("certificate verify failed", unbelieved.stderr)
            self.assertIn("HALE_CA", unbelieved.stderr)
            self.assertEqual(site.cli("healthcheck", server + "/live", environment={"HALE_CA": authority.path}).returncode, 0)
            self.assertTrue(re.search(r"certificate|verify", site.cli("healthcheck", server + "/live").stderr))


if __name__ == "__main__":
    unittest.main()
