"""Goal: what a newcomer is told to try does what it says.
Method: the quickstart on free ports, with the tour of the README as its command: a verdict turns, no request is lost
while another instance serves, both down gives a 503 with its reason, and it recovers."""

import os
import subprocess
import unittest

from harness import Case, DEMO, HALE, ROOT

TOUR = r"""
set -eu
until_says() { for _ in $(seq 200); do "$1" list | grep -q "$2" && return 0; read -r -t 0.1 <> <(:) || true; done; echo "never: $2"; exit 1; }
hale=$0
"$hale" verify web --timeout 20s
curl -sS "$QUICKSTART_URL/"
curl -sS -X POST "http://$QUICKSTART_WEB_1/_demo?mode=sick"
until_says "$hale" "▲ unhealthy"
"$hale" explain web
for _ in 1 2 3 4 5 6; do curl -fsS "$QUICKSTART_URL/" > /dev/null; done
"$hale" set web-2 maintenance --for 10m --reason "trying it"
curl -sSi "$QUICKSTART_URL/"
"$hale" unset web-2
curl -sS -X POST "http://$QUICKSTART_WEB_1/_demo?mode=ok"
"$hale" verify web --timeout 20s
"""


class Quickstart(Case):
    def test_the_tour_of_the_readme(self):
        run = subprocess.run([os.path.join(ROOT, "examples", "quickstart", "run"), HALE, DEMO, "--free-ports", "--", "bash", "-c", TOUR, HALE],
                             capture_output=True, text=True, timeout=150, stdin=subprocess.DEVNULL)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        for fact in ("▲ unhealthy", "3 of 3 failures", "HTTP/1.1 503", "Hale-Reason:", "Retry-After:"):
            self.assertIn(fact, run.stdout)


if __name__ == "__main__":
    unittest.main()
