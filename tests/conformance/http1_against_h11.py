#!/usr/bin/python3
"""Differential test: our HTTP/1 codec against h11, an independent implementation.

Goal: where both accept a message they read the same out of it; where they disagree on accepting it, the
disagreement is one of those listed here with its reason. Anything else fails.
Method: a corpus of named messages (good, bad, request smuggling), systematic variations of the fields that
frame a message, and seeded mutants of all of them, through both.

usage: http1_against_h11.py PATH/http1_dump [--seed N] [--mutants N]
"""

import argparse
import json
import random
import re
import struct
import subprocess
import sys
import time

import h11

REQUEST, ANSWER, HEAD_ANSWER = b"Q", b"S", b"H"

# ---- Where we refuse and h11 accepts: our sentence -> why we are stricter. -----------------------------------------
STRICTER = {
    "a line ends in a bare line feed instead of CR LF":
        "RFC 9112 2.2 lets a recipient take a bare LF as a line end; two hops that differ in this can be told two stories",
    "a trailer line ends in a bare line feed instead of CR LF": "as for bare LF in heads",
    "a folded header line (RFC 9112 section 5.2)": "5.2: a server MUST refuse a fold or replace it; we refuse",
    "a control character in a header value":
        "RFC 9110 5.5: controls are invalid; h11 takes them because some cookies hold them; they reach logs and terminals",
    "a control character in the reason phrase": "RFC 9112 4: not in the grammar",
    "a character in the request target that is not allowed there":
        "RFC 9112 3.2: a target has no fragment; '#' is where two readers cut differently",
    "only HTTP/1.0 and HTTP/1.1 are spoken here": "RFC 9110 15.6.6: another major version is answered 505",
    "the host is missing or not a valid one": "RFC 9112 3.2: an invalid Host MUST be answered 400; h11 leaves it to the caller",
    "Host and the request target name different hosts": "RFC 9112 3.2.2: one of two authorities would be believed by somebody",
    "the request target is neither a path nor an http URL": "RFC 9112 3.2: four forms exist; h11 takes any visible characters",
    "the request target has a query but no path": "RFC 9112 3.2.1: an empty path has to be sent as '/'",
    "CONNECT without a port": "RFC 9112 3.2.3: the port is part of the authority form",
    "Host, Content-Length or Transfer-Encoding more than once":
        "RFC 9112 6.3: equal lengths may be folded into one, or refused; we refuse",
    "Content-Length is not one decimal number": "as above for a list of equal lengths; and no length above 10^18",
    "Content-Length beside Transfer-Encoding": "RFC 9112 6.1: ought to be handled as an error; it is the root of smuggling",
    "Transfer-Encoding in HTTP/1.0": "RFC 9112 6.1: MUST be treated as faulty framing",
    "an interim response that announces a body": "RFC 9112 6.1 forbids it; its bytes would be read as the next head",
    "a character in a chunk-size line that is not allowed there": "RFC 9112 7.1: no blanks behind a chunk size; h11 takes them",
    "a control character in a chunk extension": "RFC 9112 7.1.1: not in the grammar",
    "a bare CR in a chunk-size line": "RFC 9112 2.2: a bare CR is invalid; h11 takes it as part of an extension",
    "a chunk size with too many digits": "15 digits are 60 bits; more only serve to overflow somebody",
    "a trailer field that decides framing or routing": "RFC 9110 6.5.1: must not come in trailers",
    "the answer does not begin with an HTTP/1 status line": "another major version or no answer at all",
    "an HTTP/1.1 request without a Host field": "RFC 9110 2.5: HTTP/1.2 is read as 1.1, so Host is due; h11 asks 1.1 only",
}

# ---- Where we accept and h11 refuses: name -> (which messages, RFC section). ---------------------------------------
LAXER = {
    "one empty line before the request": (lambda kind, m: kind == REQUEST and m.startswith(b"\r\n"), "RFC 9112 section 2.2"),
    "blanks between chunk size and extension":
        (lambda kind, m: re.search(rb"[0-9A-Fa-f][ \t]+;", m), "RFC 9112 section 7.1.1 (BWS, bad but allowed)"),
    "switching protocols without being asked, which our caller knows":
        (lambda kind, m: kind != REQUEST and b" 101" in m, "RFC 9110 section 15.2.2"),
}


# ---- The corpus. ---------------------------------------------------------------------------------------------------
def request(line=b"POST /p HTTP/1.1", *fields, host=b"Host: a", body=b""):
    return b"\r\n".join([line, *([host] if host is not None else []), *fields]) + b"\r\n\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked"
SMUGGLED = b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"


def named_messages():
    """(name, kind, expected verdict of ours, bytes)"""
    ok, no = "accept", "refuse"
    yield "plain GET", REQUEST, ok, request(b"GET / HTTP/1.1")
    yield "pipelined", REQUEST, ok, request(b"GET / HTTP/1.1") + SMUGGLED
    yield "typical browser", REQUEST, ok, request(
        b"GET /a/b?c=d HTTP/1.1", b"User-Agent: Mozilla/5.0 (X11)", b"Accept: text/html,*/*;q=0.8", b"Accept-Language: en",
        b"Accept-Encoding: gzip, br", b"Cookie: a=b; c=d", b"Connection: keep-alive", b"X-Empty:")
    yield "length", REQUEST, ok, request(b"POST / HTTP/1.1", b"Content-Length: 5", body=b"hello")
    yield "length and more", REQUEST, ok, request(b"POST / HTTP/1.1", b"Content-Length: 5", body=b"hello" + SMUGGLED)
    yield "length 0", REQUEST, ok, request(b"POST / HTTP/1.1", b"Content-Length: 0")
    yield "length with zeros", REQUEST, ok, request(b"POST / HTTP/1.1", b"Content-Length: 0005", body=b"hello")
    yield "short body", REQUEST, "incomplete", request(b"POST / HTTP/1.1", b"Content-Length: 5", body=b"hell")
    yield "half a head", REQUEST, "incomplete", b"GET / HTTP/1.1\r\nHost: a\r\n"
    yield "chunked", REQUEST, ok, request(b"POST / HTTP/1.1", CHUNKED, body=b"5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\n\r\n")
    yield "chunked with trailers", REQUEST, ok, request(b"POST / HTTP/1.1", CHUNKED, body=b"1\r\na\r\n0\r\nX: 1\r\nY: 2\r\n\r\n" + SMUGGLED)
    yield "1.0", REQUEST, ok, request(b"GET / HTTP/1.0", host=None)
    yield "1.0 keep-alive", REQUEST, ok, request(b"GET / HTTP/1.0", b"Connection: keep-alive")
    yield "close", REQUEST, ok, request(b"GET / HTTP/1.1", b"Connection: close")
    yield "asterisk", REQUEST, ok, request(b"OPTIONS * HTTP/1.1")
    yield "absolute", REQUEST, ok, request(b"GET http://a/x HTTP/1.1")
    yield "obs-text", REQUEST, ok, request(b"GET / HTTP/1.1", b"X: \xe4\xff")
    yield "v6 host", REQUEST, ok, request(b"GET / HTTP/1.1", host=b"Host: [::1]:80")
    yield "empty line before", REQUEST, ok, b"\r\n" + request(b"GET / HTTP/1.1")
    yield "blank before extension", REQUEST, ok, request(b"POST / HTTP/1.1", CHUNKED, body=b"1 ;x\r\na\r\n0\r\n\r\n")

    yield "CL.TE", REQUEST, no, request(b"POST / HTTP/1.1", b"Content-Length: 6", CHUNKED, body=b"0\r\n\r\nG")
    yield "TE.CL", REQUEST, no, request(b"POST / HTTP/1.1", CHUNKED, b"Content-Length: 3", body=b"8\r\nSMUGGLED\r\n0\r\n\r\n")
    yield "CL.CL", REQUEST, no, request(b"POST / HTTP/1.1", b"Content-Length: 5", b"Content-Length: 0", body=b"hello")
    yield "CL.CL equal", REQUEST, no, request(b"POST / HTTP/1.1", b"Content-Length: 5", b"Content-Length: 5", body=b"hello")
    yield "CL list", REQUEST, no, request(b"POST / HTTP/1.1", b"Content-Length: 5, 5", body=b"hello")
    yield "CL list differs", REQUEST, no, request(b"POST / HTTP/1.1", b"Content-Length: 5, 6", body=b"hello")
    yield "CL signed", REQUEST, no, request(b"POST / HTTP/1.1", b"Content-Length: +5", body=b"hello")
    yield "CL underscore", REQUEST, no, request(b"POST / HTTP/1.1", b"Content-Length: 1_0", body=b"hellohello")
    yield "CL hex", REQUEST, no, request(b"POST / HTTP/1.1", b"Content-Length: 0x5", body=b"hello")
    yield "CL other digits", REQUEST, no, request(b"POST / HTTP/1.1", b"Content-Length: \xd9\xa5", body=b"hello")
    yield "CL huge", REQUEST, no, request(b"POST / HTTP/1.1", b"Content-Length: 18446744073709551617", body=b"h")
    yield "TE.TE identity", REQUEST, no, request(b"POST / HTTP/1.1", CHUNKED, b"Transfer-Encoding: identity")
    yield "TE gzip, chunked", REQUEST, no, request(b"POST / HTTP/1.1", b"Transfer-Encoding: gzip, chunked")
    yield "TE chunked, chunked", REQUEST, no, request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked, chunked")
    yield "TE xchunked", REQUEST, no, request(b"POST / HTTP/1.1", b"Transfer-Encoding: xchunked")
    yield "TE blank before colon", REQUEST, no, request(b"POST / HTTP/1.1", b"Transfer-Encoding : chunked", body=b"0\r\n\r\n")
    yield "TE folded", REQUEST, no, request(b"POST / HTTP/1.1", b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n")
    yield "TE behind bare LF", REQUEST, no, request(b"POST / HTTP/1.1", b"X: y\nTransfer-Encoding: chunked", body=b"0\r\n\r\n")
    yield "TE behind bare CR", REQUEST, no, request(b"POST / HTTP/1.1", b"X: y\rTransfer-Encoding: chunked", body=b"0\r\n\r\n")
    yield "TE vertical tab", REQUEST, no, request(b"POST / HTTP/1.1", b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n")
    yield "TE in 1.0", REQUEST, no, request(b"POST / HTTP/1.0", CHUNKED, body=b"0\r\n\r\n")
    yield "LF only", REQUEST, no, b"GET / HTTP/1.1\nHost: a\n\n"
    yield "no Host", REQUEST, no, request(b"GET / HTTP/1.1", host=None)
    yield "two Hosts", REQUEST, no, request(b"GET / HTTP/1.1", b"Host: b")
    yield "Host with path", REQUEST, no, request(b"GET / HTTP/1.1", host=b"Host: a/b")
    yield "absolute against Host", REQUEST, no, request(b"GET http://b/ HTTP/1.1")
    yield "fragment", REQUEST, no, request(b"GET /#x HTTP/1.1")
    yield "HTTP/1.2 without Host", REQUEST, no, request(b"GET / HTTP/1.2", host=None)
    yield "CONNECT without port", REQUEST, no, request(b"CONNECT a HTTP/1.1")
    yield "absolute, query without path", REQUEST, no, request(b"GET http://a?x HTTP/1.1")
    yield "HTTP/2 preface", REQUEST, no, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield "HTTP/0.9", REQUEST, no, b"GET /\r\n\r\n"
    yield "TLS hello", REQUEST, no, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    for name, body in {
            "size with 0x": b"0x1\r\na\r\n0\r\n\r\n", "size signed": b"+1\r\na\r\n0\r\n\r\n", "size blank": b"1 \r\na\r\n0\r\n\r\n",
            "size bare LF": b"1\na\r\n0\r\n\r\n", "chunk bare LF": b"1\r\na\n0\r\n\r\n", "chunk too long": b"1\r\nab\r\n0\r\n\r\n",
            "size overflow": b"10000000000000001\r\na\r\n0\r\n\r\n",
            "size of 16 digits": b"0000000000000001\r\na\r\n0\r\n\r\n", "ext bare CR": b"1;\rx\r\na\r\n0\r\n\r\n", "ext bare LF": b"1;x\ny\r\na\r\n0\r\n\r\n",
            "size missing": b"\r\na\r\n0\r\n\r\n", "negative": b"-1\r\na\r\n0\r\n\r\n",
            "trailer Content-Length": b"0\r\nContent-Length: 5\r\n\r\n", "trailer bare LF": b"0\r\nX: y\n\r\n"}.items():
        yield "chunked: " + name, REQUEST, no, request(b"POST / HTTP/1.1", CHUNKED, body=body)

    yield "answer", ANSWER, ok, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    yield "answer until close", ANSWER, ok, b"HTTP/1.1 200 OK\r\n\r\nhello"
    yield "answer 1.0", ANSWER, ok, b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\nhello"
    yield "answer chunked", ANSWER, ok, b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    yield "answer after interims", ANSWER, ok, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n"
    yield "answer without reason", ANSWER, ok, b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"
    yield "answer 304", ANSWER, ok, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"
    yield "answer to HEAD", HEAD_ANSWER, ok, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    yield "chunked answer to HEAD", HEAD_ANSWER, ok, b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n"
    yield "answer cut off", ANSWER, "incomplete", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"
    yield "answer both lengths", ANSWER, no, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + CHUNKED + b"\r\n\r\n0\r\n\r\n"
    yield "answer two lengths", ANSWER, no, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"
    yield "answer folded", ANSWER, no, b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"
    yield "answer of ssh", ANSWER, no, b"SSH-2.0-OpenSSH_9.2\r\n\r\n"
    yield "answer HTTP/2", ANSWER, no, b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"
    yield "interim with body", ANSWER, no, b"HTTP/1.1 103 Hints\r\nContent-Length: 4\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"


def variations():
    """Every byte in every place around the fields that frame a message."""
    for c in range(256):
        b = bytes([c])
        for name, field in {
                "before TE": b + b"Transfer-Encoding: chunked", "behind TE": b"Transfer-Encoding" + b + b": chunked",
                "before chunked": b"Transfer-Encoding:" + b + b"chunked", "behind chunked": b"Transfer-Encoding: chunked" + b,
                "in CL name": b"Content-" + b + b"Length: 5", "before CL": b"Content-Length:" + b + b"5",
                "behind CL": b"Content-Length: 5" + b, "in a value": b"X: a" + b + b"c", "in Host": b"X: a"}.items():
            host = b"Host: a" + b + b"c" if name == "in Host" else b"Host: a"
            yield f"byte {c:#04x} {name}", REQUEST, request(b"POST / HTTP/1.1", field, host=host, body=b"5\r\nhello\r\n0\r\n\r\n")
        yield f"byte {c:#04x} in method", REQUEST, request(b"GE" + b + b"T / HTTP/1.1")
        yield f"byte {c:#04x} in target", REQUEST, request(b"GET /a" + b + b"c HTTP/1.1")
        yield f"byte {c:#04x} for first blank", REQUEST, request(b"GET" + b + b"/ HTTP/1.1")
        yield f"byte {c:#04x} for second blank", REQUEST, request(b"GET /" + b + b"HTTP/1.1")
        yield f"byte {c:#04x} behind version", REQUEST, request(b"GET / HTTP/1.1" + b)
        yield f"byte {c:#04x} as minor", REQUEST, request(b"GET / HTTP/1." + b)
        yield f"byte {c:#04x} before", REQUEST, b + request(b"GET / HTTP/1.1")
        for name, body in {"before size": b + b"5\r\nhello\r\n0\r\n\r\n", "behind size": b"5" + b + b"\r\nhello\r\n0\r\n\r\n",
                           "behind chunk": b"5\r\nhello" + b + b"\r\n0\r\n\r\n", "in extension": b"5;" + b + b"x\r\nhello\r\n0\r\n\r\n",
                           "in trailer": b"0\r\nX: " + b + b"y\r\n\r\n", "for the last LF": b"0\r\n\r" + b}.items():
            yield f"byte {c:#04x} {name}", REQUEST, request(b"POST / HTTP/1.1", CHUNKED, body=body)
        yield f"byte {c:#04x} in reason", ANSWER, b"HTTP/1.1 200 O" + b + b"K\r\nContent-Length: 0\r\n\r\n"
        yield f"byte {c:#04x} behind code", ANSWER, b"HTTP/1.1 200" + b + b"\r\nContent-Length: 0\r\n\r\n"


def mutants(seeds, rng, count):
    spice = [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"\0", b",", b";", b"0", b"5", b"a", b"\x7f", b"\x80", b"\x0b",
             b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: a\r\n", b"chunked", b"HTTP/1.1"]
    for n in range(count):
        kind, message = rng.choice(seeds)
        message = bytearray(message)
        for _ in range(rng.randint(1, 3)):
            at = rng.randint(0, len(message))
            what = rng.randint(0, 4)
            if what == 0:
                message[at:at] = rng.choice(spice)
            elif what == 1:
                del message[at:at + rng.randint(1, 4)]
            elif what == 2:
                message[at:at + 1] = rng.choice(spice)
            elif what == 3:
                message[at:at + 1] = bytes([rng.randrange(256)])
            else:
                _, other = rng.choice(seeds)
                cut = rng.randint(0, len(other))
                message[at:] = other[cut:]
        yield f"mutant {n}", kind, bytes(message)


# ---- The two readers. ----------------------------------------------------------------------------------------------
def ours(dump, messages):
    stdin = b"".join(kind + struct.pack(">I", len(m)) + m for kind, m in messages)
    run = subprocess.run([dump], input=stdin, stdout=subprocess.PIPE, check=True)
    out = [json.loads(line) for line in run.stdout.decode("ascii").splitlines()]
    assert len(out) == len(messages), "the dump program lost messages"
    for read in out:
        for key in ("body", "trailers"):
            read[key] = bytes.fromhex(read[key])
        read["fields"] = [(bytes.fromhex(n).lower(), bytes.fromhex(v)) for n, v in read["fields"]]
        if read["start"]:
            read["start"] = [bytes.fromhex(s) if isinstance(s, str) else s for s in read["start"]]
    return out


def theirs(kind, message):
    role = h11.SERVER if kind == REQUEST else h11.CLIENT
    connection = h11.Connection(role, max_incomplete_event_size=1 << 20)
    if kind != REQUEST:
        method = "HEAD" if kind == HEAD_ANSWER else "GET"
        connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        connection.send(h11.EndOfMessage())
    read = {"verdict": "incomplete", "body": b"", "fields": None, "start": None, "why": ""}
    closed = False
    try:
        if message:
            connection.receive_data(message)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                # A request head or body that ends here is incomplete; an answer may end by closing.
                if closed or kind == REQUEST:
                    return read
                closed = True
                connection.receive_data(b"")
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return read
            elif isinstance(event, h11.Request):
                read.update(start=[event.method, event.target], version=event.http_version, fields=list(event.headers))
            elif isinstance(event, h11.Response):
                read.update(start=[event.status_code, event.reason], version=event.http_version, fields=list(event.headers))
            elif isinstance(event, h11.Data):
                read["body"] += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                read.update(verdict="accept", trailers=list(event.headers), rest=len(connection.trailing_data[0]),
                            keep_alive=connection.their_state is h11.DONE)
                return read
    except h11.ProtocolError as error:
        incomplete = closed and "without sending complete" in str(error)
        read.update(verdict="incomplete" if incomplete else "refuse", why=str(error))
        return read


# ---- The comparison. -----------------------------------------------------------------------------------------------
def differences(kind, mine, his):
    def same(what, a, b):
        if a != b:
            yield f"{what}: ours {a!r}, h11 {b!r}"

    def folded(fields):
        return [(n, v.lower() if n == b"transfer-encoding" else v) for n, v in fields]

    yield from same("start line", mine["start"], his["start"])
    yield from same("fields", folded(mine["fields"]), folded(his["fields"]))
    yield from same("body", mine["body"], his["body"])
    yield from same("bytes left", mine["rest"], his["rest"])
    trailers = b"".join(n + b": " + v + b"\r\n" for n, v in his["trailers"])
    normal = b"".join(n.lower() + b": " + v.strip(b" \t") + b"\r\n"
                      for n, _, v in (line.partition(b":") for line in mine["trailers"].split(b"\r\n") if line))
    yield from same("trailers", normal, trailers)
    if kind == REQUEST and his["version"] == b"1.1":  # h11 never keeps a 1.0 connection.
        yield from same("keep-alive", mine["keep_alive"], his["keep_alive"])


def judge(kind, message, mine, his, used):
    """Yields what is wrong with this pair of readings."""
    accepted = mine["verdict"] == "accept", his["verdict"] == "accept"
    if accepted == (True, True):
        yield from differences(kind, mine, his)
    elif accepted == (False, True):
        if mine["verdict"] == "incomplete":
            yield "h11 accepts what is incomplete to us"
        elif mine["why"] in STRICTER:
            used[mine["why"]] = used.get(mine["why"], 0) + 1
        else:
            yield f"we refuse ({mine['why']}) what h11 accepts, and that is not listed"
    elif accepted == (True, False):
        for name, (applies, _) in LAXER.items():
            if applies(kind, message):
                used[name] = used.get(name, 0) + 1
                return
        yield f"we accept what h11 does not ({his['verdict']}: {his['why']}), and that is not listed"


def main():
    options = argparse.ArgumentParser()
    options.add_argument("dump")
    options.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000_007)
    options.add_argument("--mutants", type=int, default=20_000)
    options = options.parse_args()
    print(f"seed {options.seed}, {options.mutants} mutants")

    named = list(named_messages())
    cases = [(name, kind, m) for name, kind, _, m in named] + list(variations())
    rng = random.Random(options.seed)
    cases += mutants([(kind, m) for _, kind, _, m in named], rng, options.mutants)
    expected = {name: verdict for name, _, verdict, _ in named}

    used, wrong = {}, 0
    tally = {}
    for (name, kind, message), mine in zip(cases, ours(options.dump, [(k, m) for _, k, m in cases])):
        his = theirs(kind, message)
        tally[mine["verdict"], his["verdict"]] = tally.get((mine["verdict"], his["verdict"]), 0) + 1
        faults = list(judge(kind, message, mine, his, used))
        if name in expected and mine["verdict"] != expected[name]:
            faults.append(f"ours is {mine['verdict']} ({mine['why']}), expected {expected[name]}")
        for fault in faults:
            wrong += 1
            if wrong <= 20:
                print(f"FAIL {name}: {fault}\n     {message!r}")
    for (a, b), count in sorted(tally.items()):
        print(f"{count:7} ours {a}, h11 {b}")
    for name, count in sorted(used.items(), key=lambda item: -item[1]):
        print(f"{count:7} listed difference: {name}")
    print(f"{len(cases)} messages, {wrong} unlisted disagreements")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
