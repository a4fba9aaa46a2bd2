"""Goal: what only the whole program can show: files that change under it, signals, and each kind of check against the real
world, whoever asks (V4, V6, V10, V15, V19).
Method: the real binary; the file is edited, broken and mended; SIGHUP; the access log is renamed and reopened under requests;
one service per kind is made ill and well again, and its composite follows."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import unittest

from harness import BUILD, Case, Site, request, wait_for

KINDS = """
defaults:
  check: {{interval: 200ms, timeout: 1s, confirm_interval: 100ms}}
services:
  port:
    instances: ["{demo}"]
    check: {{tcp: "", send: "GET /up HTTP/1.1\\r\\nHost: tcp\\r\\nConnection: close\\r\\n\\r\\n", expect_bytes: "up"}}
  disk:
    check: {{exec: ["{folder}/check_disk", "-w", "--", "hunter2"]}}
  job:
    check: {{heartbeat: {{every: 1s, grace: 1s, token: "0123456789abcdef"}}}}
  whole:
    check: {{composite: {{of: [port, disk], advisory: [job]}}, interval: 200ms}}
"""


class WhatChangesUnderIt(Case):
    def reloads(self, site):
        return [(entry["actor"], entry["action"]) for entry in site.api("/api/v1/audit?limit=100")[1]["items"] if entry["action"] == "reload"]

    def names(self, site):
        return sorted(item["instance"] for item in site.verdicts())

    def test_v19_an_edited_file_is_noticed_and_a_broken_one_is_not_taken(self):
        text = 'services: {{{0}: {{instances: ["127.0.0.1:9"], check: {{http: /}}}}}}\n'
        with Site() as site:
            site.start(text.format("one"))
            self.assertEqual(self.names(site), ["one-1"])
            site.configure(text.format("two"))  # Written beside it and renamed, as editors do.
            wait_for(lambda: self.names(site) == ["two-1"], "the edited file to be in force")
            with open(site.config_path, "a") as out:  # And in place.
                out.write("nonsense: 1\n")
            wait_for(lambda: "hale_config_last_reload_successful 0" in site.api_text("/metrics"), "the broken file to be refused")
            self.assertEqual(self.names(site), ["two-1"])
            self.assertIn("nonsense", json.dumps(site.api("/api/v1/config")[1]["reload"]))
            site.configure(text.format("three"))
            wait_for(lambda: self.names(site) == ["three-1"], "the mended file to be in force")
            self.assertIn("hale_config_last_reload_successful 1", site.api_text("/metrics"))
            self.assertEqual({actor for actor, _ in self.reloads(site)}, {"file"})

    def test_sighup_reads_the_file_again(self):
        with Site() as site:
            site.start("services: {}\n")
            self.assertEqual(self.reloads(site), [])
            site.daemon.send_signal(signal.SIGHUP)
            wait_for(lambda: self.reloads(site), "a reload in the audit")
            self.assertEqual(self.reloads(site), [("signal", "reload")])

    def test_the_access_log_is_reopened_by_sigusr1_and_loses_no_line(self):
        with Site() as site:
            demo = site.demo()
            path = os.path.join(site.folder, "access.log")
            site.start(f'access_log: {path}\nservices:\n  web: {{hosts: [web.test], instances: ["{demo.address}"], check: {{http: /up, interval: 200ms}}}}\n')
            version = site.wait_state("web-1", "healthy")["version"]
            asked = []
            stop = threading.Event()

            def ask():
                while not stop.is_set():
                    number = len(asked)
                    assert site.traffic("web.test", f"/?n={number}")[0] == 200
                    asked.append(number)

            asking = threading.Thread(target=ask)
            asking.start()
            with contextlib.ExitStack() as ended:
                ended.callback(asking.join)
                ended.callback(stop.set)
                for turn in range(3):
                    before = len(asked)
                    wait_for(lambda: len(asked) > before + 20, "requests")
                    os.rename(path, f"{path}.{turn}")
                    before = len(asked)
                    wait_for(lambda: len(asked) > before + 5, "requests into the renamed file")
                    site.daemon.send_signal(signal.SIGUSR1)
                    wait_for(lambda: os.path.exists(path) and os.path.getsize(path) > 0, "a new file with lines in it")
            site.stop()
            found = []
            for name in (*(f"{path}.{turn}" for turn in range(3)), path):
                with open(name) as log:
                    lines = [json.loads(line) for line in log]
                self.assertTrue(lines, name)
                found += lines
            self.assertEqual(sorted(int(line["path"].split("n=")[1]) for line in found), asked)
            self.assertEqual({line["version"] for line in found}, {version})

    def test_v4_requests_go_to_the_very_addresses_that_are_probed(self):
        with Site() as site:
            demos = [site.demo(name) for name in "ab"]
            path = os.path.join(site.folder, "access.log")
            # One by address and one by name: what is routed is what the name was resolved to for the probe.
            known = {found[4][0] for found in socket.getaddrinfo("localhost", 80)}
            name = "localhost" if known == {"127.0.0.1"} else "127.0.0.1"
            addresses = [demos[0].address, demos[1].address.replace("127.0.0.1", name)]
            site.start(f'access_log: {path}\nservices:\n  web:\n    hosts: [web.test]\n    instances: {json.dumps(addresses)}\n    check: {{http: /up, interval: 200ms}}\n')
            verdicts = [site.wait_state(name, "healthy") for name in ("web-1", "web-2")]
            for _ in range(10):
                self.assertEqual(site.traffic("web.test")[0], 200)
            explained = site.cli("explain", "web").stdout
            for verdict, demo in zip(verdicts, demos):
                self.assertEqual(verdict["resolved"], demo.address)
                self.assertIn(verdict["resolved"], explained)
            site.stop()
            with open(path) as log:
                routed = {(line["instance"], line["upstream"]) for line in map(json.loads, log)}
            self.assertEqual(routed, {(verdict["id"], verdict["resolved"]) for verdict in verdicts})


class Kinds(Case):
    def test_v10_v15_each_kind_of_check_turns_with_what_it_looks_at_and_says_why(self):
        with Site() as site:
            os.chmod(site.folder, 0o755)  # Commands run as nobody.
            script = os.path.join(site.folder, "check_disk")

            def disk(code, says):
                with open(script + ".new", "w") as out:
                    out.write(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
                os.chmod(script + ".new", 0o755)
                os.replace(script + ".new", script)

            def beat(token="0123456789abcdef", **body):
                return request(site.where["admin"], "POST", "/api/v1/services/job/heartbeat",
                               {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}, json.dumps(body).encode())[0]

            demo = site.demo()
            disk(0, "DISK OK")
            site.start(KINDS.format(demo=demo.address, folder=site.folder))
            for name in ("port-1", "disk"):
                site.wait_state(name, "healthy")
            # Nothing came yet: that is no fault, and what rests on it is advisory.
            self.assertEqual(site.verdict("job")["state"], "pending")
            site.wait_state("whole", "healthy")
            self.assertEqual(beat("wrong-wrong-wrong"), 401)
            self.assertIn(beat(), (200, 202, 204))
            site.wait_state("job", "healthy")
            self.assertEqual(wait_for(lambda: (v := site.verdict("job"))["state"] == "unhealthy" and v, "silence to be noticed")["reason"]["code"],
                             "heartbeat_missed")
            site.wait_state("whole", "degraded")
            self.assertIn(beat(outcome="fail", text="tape is full"), (200, 202, 204))
            reason = wait_for(lambda: (v := site.verdict("job"))["reason"]["code"] == "heartbeat_reported" and v["reason"], "the report")
            self.assertIn("tape is full", reason["text"])

            disk(1, "DISK WARNING - 91%")
            self.assertIn("DISK WARNING - 91%", site.wait_state("disk", "degraded")["reason"]["text"])
            self.assertEqual(site.cli("check", "disk").returncode, 1)
            disk(2, "DISK CRITICAL - 99%")
            reason = site.wait_state("disk", "unhealthy")["reason"]
            self.assertEqual(reason["code"], "exec_failed")
            self.assertIn("DISK CRITICAL - 99%", reason["text"])
            self.assertNotIn("hunter2", reason["text"] + site.cli("explain", "disk").stdout)
            self.assertEqual(site.cli("check", "disk").returncode, 2)
            reason = site.wait_state("whole", "unhealthy")["reason"]
            self.assertEqual(reason["code"], "dependency_failed")
            self.assertIn("disk is unhealthy", reason["text"])
            # A command that is not there is our own fault: it says so, and proves nothing about the disk.
            os.remove(script)
            self.assertEqual(site.cli("check", "disk").returncode, 3)
            wait_for(lambda: site.verdict("disk")["last_probe"]["outcome"] == "error", "an error")
            self.assertEqual(site.verdict("disk")["state"], "unhealthy")
            disk(0, "DISK OK")
            site.wait_state("disk", "healthy")
            self.assertEqual(site.cli("check", "disk").returncode, 0)

            demo.mode("sick")
            self.assertEqual(site.wait_state("port-1", "unhealthy")["reason"]["code"], "bytes_mismatch")
            site.wait_state("whole", "unhealthy")
            demo.stop()
            wait_for(lambda: site.verdict("port-1")["reason"]["code"] == "connect_refused", "the closed port to be seen")
            explained = site.cli("explain", "port-1").stdout
            for fact in ("unhealthy", "tcp", demo.address, "connect", "fall 3", "checker"):
                self.assertIn(fact, explained)
            demo.restart()
            site.wait_state("port-1", "healthy")
            wait_for(lambda: site.verdict("whole")["state"] in ("healthy", "degraded"), "the whole to follow")

    def test_v6_the_same_answer_gives_the_same_outcome_on_schedule_on_demand_and_from_the_command_line(self):
        with Site() as site:
            server = site.run([os.path.join(BUILD, "tests", "integration", "misbehaving"), "1"], stdout=subprocess.PIPE, text=True)
            kinds = {}
            for line in server.stdout:
                if line.strip() == "ready":
                    break
                kind, address = line.split()
                kinds[kind.replace("_", "-")] = address
            for race in ("reset-at-once", "close-at-once", "answer-first"):  # Where it ends is a matter of who is quicker.
                del kinds[race]
            site.start("services:\n" + "".join(f'  {kind}: {{instances: ["{address}"], check: {{http: /, interval: 1h, confirm_interval: 1h, timeout: 2s, '
                                                f'connection: fresh}}}}\n' for kind, address in kinds.items()))
            wait_for(lambda: all(item["last_probe"] for item in site.verdicts()), "every first probe", 60)
            for kind, address in kinds.items():
                with self.subTest(kind):
                    item = site.verdict(f"{kind}-1")
                    scheduled = {**item["last_probe"], "text": item["reason"]["text"]}
                    self.assertEqual(scheduled["trigger"], "scheduled")
                    asked = site.cli("check", f"{kind}-1", "-o", "json")
                    on_demand = json.loads(asked.stdout)["results"][0]["observation"]
                    here = site.cli("check", f"http://{address}/", "--timeout", "2s", "-o", "json")
                    from_here = json.loads(here.stdout)

                    def told(seen):
                        length = r"\d+(\.\d+)? (ns|µs|ms|s)\b"
                        text = re.sub(length, "TIME", seen["text"]) if seen["outcome"] != "pass" else None  # A pass needs no words.
                        return seen["outcome"], seen["code"], seen["phase"], seen.get("status"), sorted(seen["seconds"]), seen["connection"], text

                    self.assertEqual(told(on_demand), told(scheduled))
                    self.assertEqual(told(from_here), told(scheduled))
                    code = {"pass": 0, "fail": 2}[scheduled["outcome"]]
                    self.assertEqual((asked.returncode, here.returncode), (code, code))


if __name__ == "__main__":
    unittest.main()
