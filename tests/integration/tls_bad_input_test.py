"""Goal: whatever comes to the https listener costs its own connection and nothing else.
Method: the real daemon and bytes made by hand around Python's ssl. One rule each:
- A ClientHello is understood however it is cut, into segments and into records.
- A record that announces more than a record may hold ends its connection by the alert that says so, before and after the handshake.
- Garbage, half a hello that ends, a version that is none, empty records and alerts without end: an end each, soon.
- Records that are well sealed and say nothing (empty ones, alerts, a handshake begun anew) end their connection; key updates do when the
  time for a request is up.
- Handshakes that stall are ended when their time is up, also those that go on byte by byte, and hold up nobody.
- TLS on the port for plain HTTP is told so, in the answer and in the access log.
After each, a connection that stood before is still served, so is a new one, what failed is counted, and the daemon holds as
many descriptors as before."""

import contextlib
import json
import os
import random
import re
import select
import socket
import ssl
import struct
import sys
import threading
import time

from harness import ROOT, Case, Site, wait_for

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from authority import Authority  # noqa: E402

HANDSHAKE_SECONDS = 10  # WorkerOptions::header_timeout.
SOON = 8  # An end that is owed to what was said, and not to the time that ran out.
HANDSHAKE, ALERT, DATA = 0x16, 0x15, 0x17
RECORD_OVERFLOW, UNEXPECTED_MESSAGE, BAD_RECORD = 22, 10, 20
ASKED = b"GET / HTTP/1.1\r\nHost: web.test\r\n\r\n"
ASKED_LAST = b"GET / HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n"


def record(kind, body, version=0x0301, length=None):
    return struct.pack(">BHH", kind, version, len(body) if length is None else length) + body


class Talk:
    """A client's side of TLS over memory: which bytes go out, and how, is the test's business."""

    def __init__(self, bed, version=ssl.TLSVersion.TLSv1_3, keylog=None):
        context = ssl.create_default_context(cafile=bed.authority.path)
        context.maximum_version = version
        if keylog:
            context.keylog_filename = keylog
        self.arrived, self.leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.arrived, self.leaving, server_hostname="web.test")
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        self.hello = self.leaving.read()

    def drive(self, sock, step):
        """The value of `step` once the other side has said what it needs."""
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                pass
            finally:
                if self.leaving.pending:
                    sock.sendall(self.leaving.read())
            data = sock.recv(65536)
            if data:
                self.arrived.write(data)
            else:
                self.arrived.write_eof()

    def ask(self, sock):
        """One request, the last, and its status line."""
        self.drive(sock, lambda: self.tls.write(ASKED_LAST))
        data = b""
        while piece := self.read(sock):
            data += piece
        return data.split(b"\r\n")[0].decode()

    def read(self, sock):
        try:
            return self.drive(sock, lambda: self.tls.read(65536))
        except ssl.SSLZeroReturnError:
            return b""


class Sealed:
    """A TLS 1.3 connection whose handshake is over: seals whatever it is given by the client's own key."""

    def __init__(self, bed, sock):
        path = os.path.join(bed.site.folder, "secrets")
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
        context = Talk(bed, keylog=path)
        sock.sendall(context.hello)
        context.drive(sock, context.tls.do_handshake)
        self.talk, self.sock, self.number = context, sock, 0
        cipher, _, _ = context.tls.cipher()
        long = cipher.endswith("256_GCM_SHA384")
        assert "AES" in cipher, cipher
        self.hash = hashes.SHA384() if long else hashes.SHA256()
        with open(path) as secrets:
            secret = bytes.fromhex(re.search(r"^CLIENT_TRAFFIC_SECRET_0 \S+ (\S+)", secrets.read(), re.M).group(1))
        self.take(secret, 32 if long else 16)

    def expand(self, secret, label, size):
        label = b"tls13 " + label
        return HKDFExpand(self.hash, size, struct.pack(">HB", size, len(label)) + label + b"\0").derive(secret)

    def take(self, secret, size):
        self.secret, self.size, self.number = secret, size, 0
        self.key, self.iv = AESGCM(self.expand(secret, b"key", size)), self.expand(secret, b"iv", 12)

    def seal(self, kind, body):
        inner = body + bytes([kind])
        header = struct.pack(">BHH", DATA, 0x0303, len(inner) + 16)
        nonce = bytes(a ^ b for a, b in zip(self.iv, self.number.to_bytes(12, "big")))
        self.number += 1
        return header + self.key.encrypt(nonce, inner, header)

    def key_update(self, wanted=1):
        made = self.seal(HANDSHAKE, bytes([24, 0, 0, 1, wanted]))
        self.take(self.expand(self.secret, b"traffic upd", self.hash.digest_size), self.size)
        return made


def send_all(sock, data):
    """Sends; whether all of it went before the other side ended."""
    try:
        sock.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def heard(sock, seconds=SOON):
    """All that comes until the other side ends, which it must within `seconds`."""
    data, deadline = b"", time.monotonic() + seconds
    while True:
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            return data
        except TimeoutError:
            raise AssertionError(f"not ended after {seconds} s; said {data!r}") from None
        if not piece:
            return data
        data += piece


class Bed:
    """A daemon with an https listener, a certificate and one service."""

    def __init__(self, case, site):
        self.case, self.site, self.authority = case, site, Authority(site.folder)
        chain, key = self.authority.issue("web", ["web.test"])
        demo = site.demo()
        self.log = os.path.join(site.folder, "access.log")
        with open(site.config_path, "w") as out:
            out.write(f'listen: {{http: "127.0.0.1:0", https: "127.0.0.1:0", admin: "127.0.0.1:0", socket: "{site.folder}/hale.sock"}}\n'
                      f"state: {site.state}\nworkers: 2\ncheckers: 1\naccess_log: {self.log}\ntls: {{certificates: [{{chain: {chain}, key: {key}}}]}}\n"
                      f"services: {{web: {{hosts: [web.test], tls: {{redirect: none}}, instances: [\"{demo.address}\"], check: {{http: /}}}}}}\n")
        site.start()
        site.wait_state("web-1", "healthy")
        self.trust = ssl.create_default_context(cafile=self.authority.path)
        self.standing = self.secure()
        # Both workers have met the instance before anything is counted.
        for _ in range(24):
            self.works()
        samples = []
        wait_for(lambda: samples.append(self.descriptors()) or len(samples) > 20, "descriptors to be counted")
        self.before = max(samples)

    def connect(self, where="https"):
        host, port = self.site.where[where].rsplit(":", 1)
        sock = socket.create_connection((host, int(port)), timeout=20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def secure(self):
        return self.trust.wrap_socket(self.connect(), server_hostname="web.test")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.site.daemon.pid}/fd"))

    def failed(self):
        return sum(int(count) for count in re.findall(r'^hale_tls_handshakes_total\{[^}]*result="failed"[^}]*\} (\d+)', self.site.api_text("/metrics"), re.M))

    def works(self):
        """A new connection is served, and the one that stood is too."""
        with self.secure() as stream:
            stream.sendall(ASKED_LAST)
            self.case.assertTrue(stream.recv(65536).startswith(b"HTTP/1.1 200 "))
            while stream.recv(65536):
                pass
        self.standing.sendall(ASKED)
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.standing.recv(65536)
            self.case.assertTrue(piece, "the standing connection ended")
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        self.case.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
        wanted = int(re.search(rb"content-length: (\d+)", head.lower()).group(1))
        while len(body) < wanted:
            body += self.standing.recv(65536)

    @contextlib.contextmanager
    def unharmed(self, failures=0):
        """What happens inside makes `failures` handshakes fail, and has no other effect."""
        failed = self.failed()
        yield
        self.works()
        wait_for(lambda: self.failed() == failed + failures, f"{failures} failed handshakes to be counted; {self.failed() - failed} were", 20)
        wait_for(lambda: self.descriptors() <= self.before, f"{self.before} descriptors as before, not {self.descriptors()}", 20)


class BadInput(Case):
    @contextlib.contextmanager
    def bed(self):
        with Site() as site:
            bed = Bed(self, site)
            try:
                yield bed
            finally:
                bed.standing.close()

    def seed(self):
        seed = int(os.environ.get("HALE_SEED", random.SystemRandom().randrange(1 << 31)))
        print(f"HALE_SEED={seed}")
        return random.Random(seed)

    def alert(self, said, description, what):
        """A fatal alert in the open; a reset may have overtaken it, but nothing else may stand in its place."""
        if said:
            self.assertEqual((said[0], said[-2:]), (ALERT, bytes([2, description])), f"{what}: {said!r}")

    def test_a_hello_is_understood_however_it_is_cut(self):
        chance = self.seed()
        with self.bed() as bed:
            def in_records(hello, size):
                body = hello[5:]
                return [record(HANDSHAKE, body[at:at + size]) for at in range(0, len(body), size)]

            def at_random(hello):
                body, out = hello[5:], b""
                while body:
                    size = chance.choice((1, 2, 5, 60, 200))
                    out += record(HANDSHAKE, body[:size])
                    body = body[size:]
                pieces = []
                while out:
                    size = chance.choice((1, 3, 17, 150))
                    pieces.append(out[:size])
                    out = out[size:]
                return pieces

            ways = {
                "segments of one byte": lambda hello: [bytes([byte]) for byte in hello],
                **{f"records of {size}": lambda hello, size=size: in_records(hello, size) for size in (1, 7, 100)},
                "records of 7 in one segment": lambda hello: [b"".join(in_records(hello, 7))],
                "both at random": at_random,
            }
            with bed.unharmed():
                for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
                    for what, cut in ways.items():
                        with self.subTest(what, version=version.name), bed.connect() as sock:
                            talk = Talk(bed, version)
                            for piece in cut(talk.hello):
                                sock.sendall(piece)
                            talk.drive(sock, talk.tls.do_handshake)
                            self.assertIn(" 200 ", talk.ask(sock))

    def test_a_record_that_announces_too_much_ends_its_connection(self):
        with self.bed() as bed:
            for length in (0x4801, 0xFFFF):
                with self.subTest("as the first", length=length), bed.unharmed(failures=1), bed.connect() as sock:
                    sock.sendall(record(HANDSHAKE, b"\1", length=length))
                    self.alert(heard(sock), RECORD_OVERFLOW, "as the first")
                with self.subTest("after a piece of the hello", length=length), bed.unharmed(failures=1), bed.connect() as sock:
                    sock.sendall(record(HANDSHAKE, Talk(bed).hello[5:60]) + record(HANDSHAKE, b"\1", length=length))
                    self.alert(heard(sock), RECORD_OVERFLOW, "after a piece")
                for asked in (b"", b"POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 10\r\n\r\nhalf"):
                    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
                        with self.subTest("after the handshake", length=length, version=version.name, asked=asked), bed.unharmed(), bed.connect() as sock:
                            talk = Talk(bed, version)
                            sock.sendall(talk.hello)
                            talk.drive(sock, talk.tls.do_handshake)
                            if asked:
                                talk.tls.write(asked)
                            sock.sendall(talk.leaving.read() + record(DATA, b"x", 0x0303, length))
                            self.ends_by(talk, sock, "RECORD_OVERFLOW")

    def ends_by(self, talk, sock, alert):
        talk.arrived.write(heard(sock))
        talk.arrived.write_eof()
        with self.assertRaises(ssl.SSLError) as raised:
            while True:
                talk.tls.read(65536)
        if not isinstance(raised.exception, ssl.SSLEOFError):  # A reset may have overtaken it.
            self.assertIn(alert, str(raised.exception))

    def test_what_is_no_tls_is_ended_soon(self):
        chance = self.seed()
        with self.bed() as bed:
            hello = Talk(bed).hello
            for size in (1, 5, 6, 100, 5000, 70_000):
                # Not what looks like an HTTP request, which is another test's.
                garbage = bytes([chance.randrange(0x80, 0x100)]) + chance.randbytes(size - 1)
                with self.subTest("garbage", size=size), bed.unharmed(failures=1), bed.connect() as sock:
                    send_all(sock, garbage)
                    if size < 11:  # Too little to be judged: the client's end decides.
                        sock.shutdown(socket.SHUT_WR)
                    heard(sock)
            cuts = [0, 1, 4, 5, 6, 9, 43, *(chance.randrange(10, len(hello)) for _ in range(8)), len(hello) - 1]
            with bed.unharmed(failures=len(cuts)):
                for cut in cuts:
                    with self.subTest("cut short", cut=cut), bed.connect() as sock:
                        sock.sendall(hello[:cut])
                        sock.shutdown(socket.SHUT_WR)
                        self.assertEqual(heard(sock)[:1] in (b"", bytes([ALERT])), True)
            for what, bytes_ in (
                ("the record's version", hello[:1] + b"\5\5" + hello[3:]),
                ("the hello's version", hello[:9] + b"\2\0" + hello[11:]),
                ("another kind of record", bytes([DATA]) + hello[1:]),
                ("another kind of message", hello[:5] + b"\2" + hello[6:]),
                ("a length that lies", hello[:6] + b"\0\0\1" + hello[9:]),
                ("a message of 16 MiB", hello[:6] + b"\xff\xff\xff" + hello[9:]),
                ("an extension that lies", hello[:hello.index(b"web.test") - 2] + b"\xff\xff" + hello[hello.index(b"web.test"):]),
                ("SSL 2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37)),
            ):
                with self.subTest(what), bed.unharmed(failures=1), bed.connect() as sock:
                    sock.sendall(bytes_)
                    said = heard(sock)
                    self.assertTrue(said == b"" or (said[0], said[5]) == (ALERT, 2), said)

    def test_floods_of_nothing_are_ended_soon(self):
        many = 20_000
        with self.bed() as bed:
            hello = Talk(bed).hello
            warning = record(ALERT, bytes([1, 90]))  # user_canceled
            for what, flood in (
                ("empty records", record(HANDSHAKE, b"") * many),
                ("empty records inside the hello", record(HANDSHAKE, hello[5:50]) + record(HANDSHAKE, b"") * many),
                ("empty alerts", record(ALERT, b"") * many),
                ("warnings", warning * many),
                ("warnings inside the hello", record(HANDSHAKE, hello[5:50]) + warning * many),
                ("changes of cipher", record(0x14, b"\1") * many),
                ("changes of cipher inside the hello", record(HANDSHAKE, hello[5:50]) + record(0x14, b"\1") * many),
            ):
                with self.subTest(what), bed.unharmed(failures=1), bed.connect() as sock:
                    send_all(sock, flood)
                    self.assertTrue((said := heard(sock)) == b"" or said[0] == ALERT, said)

    def test_what_is_well_sealed_and_says_nothing_is_ended_too(self):
        many = 20_000
        with self.bed() as bed:
            for what, flood, alert in (
                ("empty records", lambda one: b"".join(one.seal(DATA, b"") for _ in range(many)), "UNEXPECTED_MESSAGE"),
                ("warnings", lambda one: b"".join(one.seal(ALERT, bytes([1, 90])) for _ in range(many)), "UNEXPECTED_MESSAGE"),
                ("a handshake begun anew", lambda one: one.seal(HANDSHAKE, Talk(bed).hello[5:]), "UNEXPECTED_MESSAGE"),
                ("a change of cipher", lambda one: one.seal(0x14, b"\1"), "UNEXPECTED_MESSAGE"),
                ("a finish that is none", lambda one: one.seal(HANDSHAKE, bytes([20, 0, 0, 4, 1, 2, 3, 4])), "UNEXPECTED_MESSAGE"),
            ):
                with self.subTest(what), bed.unharmed(), bed.connect() as sock:
                    one = Sealed(bed, sock)
                    send_all(sock, flood(one))
                    self.ends_by(one.talk, sock, alert)

    def test_key_updates_hold_up_nobody_and_are_no_request(self):
        with self.bed() as bed, bed.unharmed(), bed.connect() as sock:
            one = Sealed(bed, sock)
            began = time.monotonic()
            flood = b"".join(one.key_update() for _ in range(10_000))
            sender = threading.Thread(target=send_all, args=(sock, flood))
            sender.start()
            for _ in range(5):
                bed.works()
            sender.join(SOON)
            self.assertFalse(sender.is_alive())
            heard(sock, began + 2 * HANDSHAKE_SECONDS - time.monotonic())  # The time for a request's head goes by.

    def test_handshakes_that_stall_hold_up_nobody_and_end_when_their_time_is_up(self):
        silent, half, dribbling = 100, 100, 20
        with self.bed() as bed:
            hello = Talk(bed).hello
            with bed.unharmed(failures=silent + half + dribbling), contextlib.ExitStack() as held:
                began = time.monotonic()
                stalled = [held.enter_context(bed.connect()) for _ in range(silent + half + dribbling)]
                for sock in stalled[silent:]:
                    sock.sendall(hello[:len(hello) // 2])
                over = threading.Event()

                def dribble():
                    """A byte each now and then, for as long as anybody listens."""
                    rest = {sock: hello[len(hello) // 2:] for sock in stalled[silent + half:]}
                    while rest and not over.wait(0.5):
                        for sock in list(rest):
                            if not send_all(sock, rest[sock][:1]):
                                del rest[sock]
                            else:
                                rest[sock] = rest[sock][1:]

                thread = threading.Thread(target=dribble)
                thread.start()
                try:
                    slowest = 0.0
                    while time.monotonic() < began + HANDSHAKE_SECONDS - 2:
                        at = time.monotonic()
                        bed.works()
                        slowest = max(slowest, time.monotonic() - at)
                    self.assertLess(slowest, 2)
                    self.assertGreaterEqual(bed.descriptors(), bed.before + len(stalled), "all are still held")
                    ended = []
                    waiting = set(stalled)
                    while waiting and time.monotonic() < began + 3 * HANDSHAKE_SECONDS:
                        for sock in select.select(list(waiting), [], [], 1)[0]:
                            with contextlib.suppress(ConnectionResetError):
                                self.assertEqual(sock.recv(100), b"")
                            waiting.discard(sock)
                            ended.append(time.monotonic() - began)
                finally:
                    over.set()
                    thread.join()
                self.assertEqual(len(waiting), 0)
                self.assertGreater(min(ended), HANDSHAKE_SECONDS - 1)
                print(f"{len(ended)} stalled handshakes ended after {min(ended):.1f} to {max(ended):.1f} s; slowest pair of requests meanwhile {slowest * 1000:.0f} ms")

    def test_tls_on_the_port_for_plain_http_is_told_so(self):
        with self.bed() as bed:
            for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
                hello = Talk(bed, version).hello
                for cut in (1, 5, len(hello)):
                    with self.subTest(version=version.name, cut=cut), bed.unharmed(), bed.connect("http") as sock:
                        sock.sendall(hello[:cut])
                        head, _, body = heard(sock).partition(b"\r\n\r\n")
                        self.assertTrue(head.startswith(b"HTTP/1.1 400 "), head)
                        self.assertIn(b"\r\nHale-Reason: unexpected_tls\r\n", head)
                        self.assertIn("port that speaks HTTPS", json.loads(body)["detail"])

            def told():
                with open(bed.log) as log:
                    return sum(json.loads(line).get("reason") == "unexpected_tls" for line in log)

            wait_for(lambda: told() == 6, "six lines in the access log", 20)
