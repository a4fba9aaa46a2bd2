"""Goal: what a newcomer is told to try does what it says, and prints what it is said to print.
Method: the commands of the README's tour, taken from the README, run on the quickstart with free ports; what two of them
print is compared with what the README shows, line by line, but for times, addresses and ids."""

import os
import re
import shlex
import subprocess
import unittest

from harness import Case, DEMO, HALE, ROOT

BEFORE = r"""
until_says() { for _ in $(seq 200); do hale list | grep -q "$1" && return 0; read -r -t 0.1 <> <(:) || true; done; echo "never: $1"; exit 1; }
hale verify web --timeout 20s > /dev/null
set -eu
"""
MARK = "==== "


def tour(readme):
    """The commands after the headline, as they are run here: on the ports of this run, each announced by a line of its own."""
    block = re.search(r"^## A tour in 60 seconds\n.*?```sh\n(.*?)```", readme, re.M | re.S)[1]
    script = BEFORE
    for line in block.split("\n"):
        command = line.split(" #")[0].strip()
        if not command or command.startswith("export PATH="):  # Where scripts/run builds.
            continue
        command = command.replace("http://127.0.0.1:8080", "$QUICKSTART_URL").replace("'http://127.0.0.1:18081", "\"http://$QUICKSTART_WEB_1\"'")
        if "127.0.0.1:" in command:
            raise AssertionError(f"an address of the tour that this test does not know: {command}")
        if command.startswith("hale explain"):  # "Some seconds after".
            script += 'until_says "▲ unhealthy"\n'
        script += f"echo {shlex.quote(MARK + line.split(' #')[0].strip())}\n{command}\necho\n"
    return script


def shown_after(readme, words):
    """The block that the README prints after these words."""
    return re.search(re.escape(words) + r".*?```\n(.*?)```", readme, re.S)[1]


def comparable(text):
    """Lines without what differs from run to run."""
    for pattern, word in ((r"\b\d\d:\d\d:\d\d(\.\d+)?\b", "CLOCK"), (r"\b\d+(\.\d+)? ?(ns|µs|ms|s)\b|\b\d+m\d+s\b", "TIME"), (r"127\.0\.0\.1:\d+", "ADDRESS"),
                          (r"\bv\d+\b", "VERSION"), (r"decided by checker \d+ on \S+", "decided by CHECKER"), (r"^Date: .*", "Date:"),
                          (r"(X-Request-ID: |\"request_id\":\")\w+", r"\1ID"), (r" \(asked by \w+\)", ""), (r"[ \r]+", " ")):
        text = re.sub(pattern, word, text, flags=re.M)
    return [line.strip() for line in text.split("\n") if line.strip()]


class Quickstart(Case):
    def test_the_tour_of_the_readme_prints_what_the_readme_shows(self):
        with open(os.path.join(ROOT, "README.md")) as file:
            readme = file.read()
        run = subprocess.run([os.path.join(ROOT, "examples", "quickstart", "run"), HALE, DEMO, "--free-ports", "--", "bash", "-c", tour(readme)],
                             capture_output=True, text=True, timeout=150, stdin=subprocess.DEVNULL,
                             env={**os.environ, "PATH": f"{os.path.dirname(HALE)}:{os.environ['PATH']}", "NO_COLOR": "1"})
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        answers = {}
        for part in run.stdout.split(MARK)[1:]:
            command, _, printed = part.partition("\n")
            answers[command] = printed
        self.assertEqual(len(answers), 9, answers.keys())  # `curl /` comes twice.
        for command, words in (("hale explain web", "`hale explain web` printed:"), ("curl -i http://127.0.0.1:8080/", "`curl -i http://127.0.0.1:8080/`:")):
            with self.subTest(command):
                self.assertEqual(comparable(answers[command]), comparable(shown_after(readme, words)))
        self.assertIn("web-2 answers", run.stdout)


if __name__ == "__main__":
    unittest.main()
