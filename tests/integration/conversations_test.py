"""Goal: the checks that speak Redis', PostgreSQL's, a mail server's and DNS' own words do so with the real ones: what passes, and each
failure with the server's own words, by `hale check`, `hale list` and over the API (V6, V10).
Method: private instances of Debian's redis-server, postgresql-15, dnsmasq and aiosmtpd on free loopback ports, under the test's
folder; one table of checks, each asked on demand and judged by its schedule."""

import contextlib
import glob
import json
import os
import pwd
import shutil
import subprocess
import unittest

from harness import Case, Site, on_free_port, refusing_address, silent_address, wait_for

STATES = {0: "healthy", 1: "degraded", 2: "unhealthy"}
PASSWORD = "hunter2-very-secret"
POSTGRES = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]


def certificate(folder, days=30):
    """A self-signed certificate for localhost; its paths."""
    key, chain = os.path.join(folder, "tls.key"), os.path.join(folder, "tls.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", chain, "-days", str(days), "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return key, chain


class Peers:
    """The real servers of one site."""

    def __init__(self, site):
        self.site = site
        os.chmod(site.folder, 0o755)  # PostgreSQL does not run as root.
        self.key, self.chain = certificate(site.folder)

    def quiet(self):
        return {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def redis(self, *more, tls=False):
        folder = os.path.join(self.site.folder, f"redis-{len(self.site.processes)}")
        os.mkdir(folder)

        def argv(port):
            listen = ["--port", "0", "--tls-port", str(port), "--tls-cert-file", self.chain, "--tls-key-file", self.key, "--tls-ca-cert-file", self.chain,
                      "--tls-auth-clients", "no"] if tls else ["--port", str(port)]
            return ["redis-server", *listen, "--bind", "127.0.0.1", "--save", "", "--dir", folder, "--requirepass", PASSWORD, "--masterauth", PASSWORD,
                    "--user", "app", "on", f">{PASSWORD}", "~*", "+ping", "+role", *more]

        return on_free_port(lambda port: self.site.run(argv(port), **self.quiet()))[1]

    def postgres(self):
        who = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        as_them = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []} if who else {}
        data = os.path.join(self.site.folder, "postgres")
        os.mkdir(data, 0o700)
        key = os.path.join(self.site.folder, "postgres.key")
        shutil.copy(self.key, key)
        os.chmod(key, 0o600)
        if who:
            os.chown(data, who.pw_uid, who.pw_gid)
            os.chown(key, who.pw_uid, who.pw_gid)
        subprocess.run([f"{POSTGRES}/initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync"], check=True, capture_output=True, cwd="/", **as_them)
        with open(os.path.join(data, "pg_hba.conf"), "w") as hba:
            hba.write("host all postgres 127.0.0.1/32 trust\nhost all by_md5 127.0.0.1/32 md5\nhost all in_clear 127.0.0.1/32 password\n"
                      "hostssl all over_tls 127.0.0.1/32 scram-sha-256\nhost all by_scram 127.0.0.1/32 scram-sha-256\n")
        self.postgres_log = os.path.join(self.site.folder, "postgres.log")
        log = open(self.postgres_log, "w")
        _, address = on_free_port(lambda port: self.site.run(
            [f"{POSTGRES}/postgres", "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
             "-c", "ssl=on", "-c", f"ssl_cert_file={self.chain}", "-c", f"ssl_key_file={key}"], cwd="/", stdout=log, stderr=log, **as_them))
        log.close()

        def sql(*statements):
            argv = ["psql", "-h", "127.0.0.1", "-p", address.rsplit(":", 1)[1], "-U", "postgres", "-qX"]
            return subprocess.run([*argv, *(word for one in statements for word in ("-c", one))], capture_output=True, text=True)

        wait_for(lambda: sql("SELECT 1").returncode == 0, "PostgreSQL to let people in")
        made = sql(f"CREATE ROLE by_scram LOGIN PASSWORD '{PASSWORD}'", f"CREATE ROLE over_tls LOGIN PASSWORD '{PASSWORD}'", f"CREATE ROLE in_clear LOGIN PASSWORD '{PASSWORD}'",
                   "SET password_encryption = 'md5'", f"CREATE ROLE by_md5 LOGIN PASSWORD '{PASSWORD}'")
        assert made.returncode == 0, made.stderr
        made = sql("CREATE DATABASE shop OWNER by_scram")
        assert made.returncode == 0, made.stderr
        return address

    def dns(self):
        big = ",".join(f"{'x' * 200}{i}" for i in range(5))
        return on_free_port(lambda port: self.site.run(
            ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces",
             "--user=", "--group=", "--pid-file=", "--local=/example.test/", "--host-record=db.example.test,10.0.0.7", "--mx-host=example.test,mail.example.test,10",
             f"--txt-record=big.example.test,{big}"], **self.quiet()))[1]

    def smtp(self, starttls=False):
        tls = ["--tlscert", self.chain, "--tlskey", self.key, "--no-requiretls"] if starttls else []
        return on_free_port(lambda port: self.site.run(["/usr/bin/python3", "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}", "-c", "aiosmtpd.handlers.Sink", *tls],
                                                       **self.quiet()))[1]


class Conversations(Case):
    def ask(self, rows):
        """Every row (name, address, check, exit code, words of the sentence) on demand and by schedule, beside the others."""
        services = {name: {"instances": [address], "check": check} if address else {"check": check} for name, address, check, _, _ in rows}
        self.site.start("services: " + json.dumps(services) + "\n")
        for name, address, _, code, words in rows:
            instance = f"{name}-1" if address else name
            with self.subTest(name):
                ran = self.site.cli("check", name)
                self.assertEqual(ran.returncode, code, ran.stdout + ran.stderr)
                self.assertIn(words, ran.stdout)
                self.site.wait_state(instance, STATES[code], 60)
                if code != 0:
                    reason = self.site.verdict(instance)["reason"]["text"]
                    self.assertIn(words, reason)
        listed = self.site.cli("list").stdout
        for name, _, _, code, _ in rows:
            line = next(line for line in listed.splitlines() if line.split()[:1] == [name] or f" {name} " in line or line.startswith(name))
            self.assertIn(STATES[code], line)
        # Nobody tells a password: no surface and no log.
        told = listed + self.site.log_text() + self.site.cli("config", "show", "--effective", "--config", self.site.config_path).stdout
        told += self.site.api_text("/api/v1/services") + self.site.api_text("/api/v1/verdicts") + self.site.api_text("/metrics")
        self.assertNotIn(PASSWORD, told)

    @contextlib.contextmanager
    def peers(self):
        with Site() as site:
            self.site = site
            site.environment = {"PEER_PASSWORD": PASSWORD}
            yield Peers(site)

    def test_redis_with_a_password_a_role_and_without(self):
        with self.peers() as peers, refusing_address() as refusing, silent_address() as silent:
            master = peers.redis()
            replica = peers.redis("--replicaof", *master.split(":"))
            word = {"password": "env:PEER_PASSWORD"}
            self.ask([
                ("well", master, {"redis": "", **word}, 0, f"redis {master}: PONG in "),
                ("named", master, {"redis": "", "username": "app", **word}, 0, "PONG"),
                ("master", master, {"redis": "", "role": "master", **word}, 0, "PONG of a master"),
                ("replica", replica, {"redis": "", "role": "replica", **word}, 0, "PONG of a replica"),
                ("counted", master, {"redis": "", **word, "expect": ["[BODY].role == master", "[BODY].loading == 0", "[BODY].rdb_last_bgsave_status == ok"]}, 0, "PONG"),
                ("elsewhere", "127.0.0.1:1", {"redis": ":" + master.split(":")[1], **word}, 0, "PONG"),
                ("nobody", master, {"redis": ""}, 2, "it asks for a password, and the check has none; the answer to PING: NOAUTH Authentication required."),
                ("wrong", master, {"redis": "", "password": "no"}, 2, "user or password are wrong; the answer to AUTH: WRONGPASS invalid username-password pair"),
                ("forbidden", master, {"redis": "", "username": "app", **word, "expect": ["[BODY].role == master"]}, 2, "the user may not do that; the answer to INFO: NOPERM"),
                ("demoted", replica, {"redis": "", "role": "master", **word}, 2, f"it is a replica of {master} (link: "),
                ("refused", refusing, {"redis": "", **word}, 2, "connect refused after"),
                ("silent", silent, {"redis": "", "timeout": "300ms", **word}, 2, "connected, but the answer to AUTH did not begin within 300 ms"),
            ])

    def test_postgres_by_every_way_to_log_in(self):
        with self.peers() as peers, silent_address() as silent:
            server = peers.postgres()
            word = {"password": "env:PEER_PASSWORD"}
            self.ask([
                ("trusted", server, {"postgres": ""}, 0, f"postgres {server}: SELECT 1 answered in "),
                ("scram", server, {"postgres": "", "user": "by_scram", "database": "shop", **word}, 0, "SELECT 1 answered in "),
                ("md5", server, {"postgres": "", "user": "by_md5", "database": "shop", **word}, 0, "SELECT 1 answered in "),
                ("clear", server, {"postgres": "", "user": "in_clear", "database": "shop", **word}, 0, "SELECT 1 answered in "),
                ("primary", server, {"postgres": "", "role": "primary"}, 0, "SELECT 1 answered by a primary"),
                ("counted", server, {"postgres": "", "query": "SELECT count(*) AS n, 'x' AS y FROM pg_database", "expect": ["[BODY].n >= 4", "[BODY].y == x"]}, 0, "the query answered"),
                ("standby", server, {"postgres": "", "role": "standby"}, 2, "it is a primary, and role: standby is asked for"),
                ("wrong", server, {"postgres": "", "user": "by_scram", "password": "no"}, 2,
                 "the login of by_scram failed: FATAL 28P01: password authentication failed for user"),
                ("none", server, {"postgres": "", "user": "by_scram"}, 2, "the server asks for the password of by_scram, and the check has none"),
                ("nowhere", server, {"postgres": "", "database": "nope"}, 2, "FATAL 3D000: database"),
                ("nonsense", server, {"postgres": "", "query": "SELECT nonsense"}, 2, "the query failed: ERROR 42703: column"),
                ("unlike", server, {"postgres": "", "expect": ["[BODY] == 2"]}, 2, "the query was answered after"),
                ("silent", silent, {"postgres": "", "timeout": "300ms"}, 2, "connected, but the login of postgres did not begin within 300 ms"),
            ])
            # Whoever is asked every 5 s does not write a line about it each time.
            with open(peers.postgres_log) as log:
                self.assertNotIn("could not receive data from client", log.read())

    def test_a_dns_server(self):
        with self.peers() as peers, refusing_address() as refusing:
            server = peers.dns()
            self.ask([
                ("name", server, {"dns": "db.example.test"}, 0, f"dns db.example.test A at {server}: NOERROR, 10.0.0.7 in "),
                ("matching", server, {"dns": "db.example.test", "answer": ["10.0.0.1", "10.0.0.7"]}, 0, "10.0.0.7"),
                ("mail", server, {"dns": "example.test", "record": "MX", "answer": ["10 mail.example.test"]}, 0, "10 mail.example.test"),
                ("stream", server, {"dns": "db.example.test", "transport": "tcp"}, 0, "10.0.0.7"),
                ("big", server, {"dns": "big.example.test", "record": "TXT", "expect": ["len([BODY]) > 900"]}, 0, "NOERROR"),
                ("absent", server, {"dns": "nope.example.test", "rcode": "NXDOMAIN"}, 0, "NXDOMAIN"),
                ("condition", server, {"dns": "nope.example.test", "expect": ["[DNS_RCODE] == NXDOMAIN"]}, 0, "NXDOMAIN"),
                ("missing", server, {"dns": "nope.example.test"}, 2, "answered NXDOMAIN, and NOERROR is asked for"),
                ("other", server, {"dns": "db.example.test", "answer": ["10.0.0.1"]}, 2, "answered 10.0.0.7, and 10.0.0.1 is asked for"),
                ("empty", server, {"dns": "db.example.test", "record": "AAAA"}, 2, "answered NOERROR without a record of type AAAA"),
                ("refused", refusing, {"dns": "db.example.test"}, 2, "nobody listens there"),
                ("alone", None, {"dns": "db.example.test", "server": server}, 0, f"dns db.example.test A at {server}: NOERROR, 10.0.0.7 in "),
                ("alone-lost", None, {"dns": "nope.example.test", "server": server}, 2, "answered NXDOMAIN, and NOERROR is asked for"),
                ("elsewhere", refusing, {"dns": "db.example.test", "server": server}, 0, "10.0.0.7"),
            ])

    def test_a_mail_server(self):
        with self.peers() as peers, silent_address() as silent:
            plain, secured = peers.smtp(), peers.smtp(starttls=True)
            self.ask([
                ("plain", plain, {"smtp": ""}, 0, f"smtp {plain}: EHLO answered in "),
                ("sized", plain, {"smtp": "", "expect": ["[BODY] == pat(*8BITMIME*)"]}, 0, "EHLO answered"),
                ("offering", secured, {"smtp": ""}, 0, "EHLO answered"),
                ("bare", plain, {"smtp": "", "starttls": "required"}, 2, "STARTTLS is required, and the server does not offer it"),
                ("silent", silent, {"smtp": "", "timeout": "300ms"}, 2, "connected, but the greeting did not begin within 300 ms"),
                ("stranger", peers.redis(), {"smtp": "", "timeout": "300ms"}, 2, "the greeting did not begin"),
            ])

    def test_each_of_them_over_tls(self):
        with self.peers() as peers:
            ca = {"tls_ca": peers.chain}
            word = {"password": "env:PEER_PASSWORD"}
            redis, postgres, smtp = peers.redis(tls=True), peers.postgres(), peers.smtp(starttls=True)
            plain = peers.redis()
            self.ask([
                ("redis", redis, {"redis": "", "over_tls": True, **word, **ca}, 0, "PONG"),
                ("handshake", redis, {"tls": "", **ca}, 0, "certificate of localhost, 29 days left"),
                ("warned", redis, {"tls": "", **ca, "expect": [{"warn": "[CERTIFICATE_EXPIRATION] > 720h"}, "[CERTIFICATE_EXPIRATION] > 24h"]}, 1, "[CERTIFICATE_EXPIRATION]"),
                ("postgres", postgres, {"postgres": "", "user": "over_tls", "database": "shop", "tls_mode": "require", **word, **ca}, 0, "SELECT 1 answered"),
                ("preferred", postgres, {"postgres": "", "user": "by_scram", "database": "shop", "tls_mode": "prefer", **word, **ca}, 0, "SELECT 1 answered"),
                ("mail", smtp, {"smtp": "", "starttls": "required", **ca}, 0, "EHLO answered over TLS"),
                ("stranger", redis, {"redis": "", "over_tls": True, **word}, 2, "certificate verify failed"),
                ("unencrypted", postgres, {"postgres": "", "user": "over_tls", "database": "shop", **word}, 2, "no pg_hba.conf entry"),
                ("misnamed", postgres, {"postgres": "", "tls_mode": "require", "tls_name": "other.example", **ca}, 2, "hostname mismatch"),
                ("unsecured", plain, {"redis": "", "over_tls": True, "timeout": "500ms", **word, **ca}, 2, "TLS"),
            ])

    def test_each_of_them_by_its_url_without_a_daemon(self):
        with self.peers() as peers, refusing_address() as refusing:
            redis, secured, postgres, dns = peers.redis(), peers.redis(tls=True), peers.postgres(), peers.dns()
            smtp, starttls = peers.smtp(), peers.smtp(starttls=True)
            word = os.path.join(self.site.folder, "word")
            with open(word, "w") as out:
                out.write(PASSWORD + "\n")
            env, file, ca = ["--password", "env:PEER_PASSWORD"], ["--password", f"file:{word}"], ["--tls-ca", peers.chain]
            told = ""
            for url, more, code, words in [
                (f"redis://{redis}", env, 0, f"redis {redis}: PONG in "),
                (f"redis://app@{redis}?role=master", file, 0, "PONG of a master"),
                (f"redis://{redis}?role=replica", file, 2, "it is a master"),
                (f"redis://{redis}", [], 2, "it asks for a password"),
                (f"rediss://{secured}", [*env, *ca], 0, "PONG"),
                (f"rediss://{secured}", env, 2, "certificate verify failed"),
                (f"tls://{secured}", ca, 0, "certificate of localhost, 29 days left"),
                (f"postgres://{postgres}", [], 0, f"postgres {postgres}: SELECT 1 answered in "),
                (f"postgres://by_scram@{postgres}/shop?role=primary", env, 0, "SELECT 1 answered by a primary"),
                (f"postgres://over_tls@{postgres}/shop?tls_mode=require", [*file, *ca], 0, "SELECT 1 answered"),
                (f"postgres://by_md5@{postgres}/shop?query=SELECT%20count(*)%20AS%20n%20FROM%20pg_database", [*env, "--expect", "[BODY] >= 4"], 0, "answered"),
                (f"postgresql://by_scram@{postgres}/nope", env, 2, "FATAL 3D000: database"),
                (f"dns://{dns}/db.example.test", [], 0, f"dns db.example.test A at {dns}: NOERROR, 10.0.0.7 in "),
                (f"dns://{dns}/example.test?type=MX&transport=tcp", ["--expect", "[BODY] == pat(10 mail*)"], 0, "10 mail.example.test"),
                (f"dns://{dns}/nope.example.test?rcode=NXDOMAIN", [], 0, "NXDOMAIN"),
                (f"dns://{dns}/nope.example.test", [], 2, "answered NXDOMAIN, and NOERROR is asked for"),
                (f"smtp://{smtp}", [], 0, f"smtp {smtp}: EHLO answered in "),
                (f"smtp://{starttls}?starttls=required", ca, 0, "EHLO answered over TLS"),
                (f"smtp://{smtp}?starttls=required", [], 2, "the server does not offer it"),
                (f"redis://{refusing}", env, 2, "connect refused after"),
            ]:
                with self.subTest(url, more=more):
                    ran = self.site.cli("check", url, *more, environment={"PEER_PASSWORD": PASSWORD})
                    self.assertEqual(ran.returncode, code, ran.stdout + ran.stderr)
                    self.assertIn(words, ran.stdout)
                    told += ran.stdout + ran.stderr
            self.assertNotIn(PASSWORD, told)


if __name__ == "__main__":
    unittest.main()
