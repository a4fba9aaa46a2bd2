"""Goal: the prober leaks nothing, whatever it meets (V17).
Method: probes of twelve kinds of misbehaving server until a million have ended (HALE_HOSTILE_PROBES says how many);
then every service is removed, and descriptors and memory must be back where they were."""

import os
import subprocess
import unittest

from harness import BUILD, Case, Site, wait_for

WANTED = int(os.environ.get("HALE_HOSTILE_PROBES", "1000000"))
INSTANCES_PER_KIND = 60
EXPECTED = {
    "refuse": {"connect_refused"},
    "silence": {"first_byte_timeout"},
    "reset_at_once": {"connect_reset", "connection_closed"},
    "close_at_once": {"connection_closed", "connect_reset"},
    "reset_mid_head": {"connect_reset"},
    "one_byte_at_a_time": {"ok", "total_timeout"},
    "endless_head": {"protocol_error", "total_timeout", "connect_reset"},
    "endless_body": {"ok", "total_timeout"},
    "bad_chunks": {"protocol_error"},
    "short_body": {"connection_closed"},
    "garbage": {"protocol_error"},
    "answer_first": {"protocol_error", "ok"},
}


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def anonymous_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Anonymous:"))


class Hostile(Case):
    def test_v17_a_million_probes_leave_nothing_behind(self):
        # The release build where there is one: the sanitizers' own bookkeeping would be measured otherwise, and
        # the same kinds run under them in the simulator.
        release = os.path.join(os.path.dirname(BUILD), "release", "src", "main", "hale")
        with Site(release if os.path.exists(release) else os.path.join(BUILD, "src", "main", "hale")) as site:
            server = site.run([os.path.join(BUILD, "tests", "integration", "misbehaving"), str(INSTANCES_PER_KIND)], stdout=subprocess.PIPE, text=True)
            kinds = {}
            for line in server.stdout:
                if line.strip() == "ready":
                    break
                kind, address = line.split()
                kinds.setdefault(kind, []).append(address)
            self.assertEqual(set(kinds), set(EXPECTED))
            empty = "services: {}\n"
            site.start(empty)
            pid = site.daemon.pid
            wait_for(lambda: site.api("/health")[0] == 200, "health")
            before = descriptors(pid), anonymous_kib(pid)

            lines = ["services:"]
            for kind, addresses in kinds.items():
                lines += [f"  {kind.replace('_', '-')}:", "    check: {http: /, interval: 100ms, timeout: 300ms, confirm_interval: 100ms, connection: both}",
                          "    instances:"]
                lines += [f'      - "{address}"' for address in addresses]
            site.configure("\n".join(lines) + "\n")
            self.assertEqual(site.cli("config", "reload").returncode, 0)

            def probes():
                total = 0
                for line in site.api_text("/metrics").splitlines():
                    if line.startswith("hale_probes_total{"):
                        total += int(float(line.rsplit(" ", 1)[1]))
                return total

            wait_for(lambda: probes() > INSTANCES_PER_KIND * len(kinds) * 10, "the first rounds", 120)
            for kind in kinds:
                name = f"{kind.replace('_', '-')}-1"
                verdict = wait_for(lambda: (v := site.verdict(name)) and v["last_probe"] and v, f"a probe of {name}")
                self.assertIn(verdict["last_probe"]["code"], EXPECTED[kind], (kind, verdict["reason"]))
            middle = anonymous_kib(pid)
            reached = wait_for(lambda: (n := probes()) >= WANTED and n, f"{WANTED} probes", 800)
            late = anonymous_kib(pid)
            site.configure(empty)
            self.assertEqual(site.cli("config", "reload").returncode, 0)
            wait_for(lambda: descriptors(pid) <= before[0] + 2, "descriptors to be given back", 60)
            print(f"{reached} probes; descriptors {before[0]} before, {descriptors(pid)} after; user memory {before[1]} KiB before, "
                  f"{middle} early, {late} late, {anonymous_kib(pid)} after")
            self.assertLess(late - middle, 4096, "user memory grows with the number of probes")


if __name__ == "__main__":
    unittest.main()
