"""Holds the lists in the guide to the code: every metric, API route, verb, and code told to clients that the code
has stands in its page, and every metric that the page has stands in the code. Every test that the list of invariants
names is there, and each invariant has one with its number.

Run as a test; prints page: what is missing.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Page, source, what names look like in the source, how the page spells one.
LISTS = [
    ("docs/guide/metrics.md", "src/api/metrics.cc", r'"((?:hale|probe)_[a-z_]{4,})"', "`{}`"),
    ("docs/guide/http-api.md", "src/api/route_table.cc", r'Route\{Method::\w+, "(?:/api/v1)?(/[^"]*)"', "{}"),
    ("docs/guide/cli.md", "src/cli/arguments.cc", r'\bverb\("(\w+)"', "{}"),
    ("docs/guide/concepts.md", "src/proxy/answered.cc", r'^\s*\{"(\w+)", \d', "`{}`"),
]
# Metrics that only /probe gives: blackbox_exporter's own, named there.
PROBE_ONLY = {"probe_error", "probe_ip_protocol", "probe_http_version", "probe_http_ssl", "probe_failed_due_to_regex"}

problems = []


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as text:
        return text.read()


def tests_by_name():
    """`Suite.Test` → whether it is there; and what Python tests call themselves, by file."""
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*_test.cc", "tests/*.py"], cwd=ROOT, capture_output=True, text=True,
                         check=True)
    programs, scripts = set(), {}
    for path in out.stdout.split():
        if not os.path.exists(os.path.join(ROOT, path)):
            continue
        if path.endswith(".py"):
            scripts[path] = re.findall(r"def (test_\w+)", read(path))
        else:
            programs.update(f"{suite}.{name}" for suite, name in re.findall(r"\bTEST(?:_[FP])?\((\w+),\s*(\w+)\)", read(path)))
    return programs, scripts


def hold_invariants():
    page = "docs/design/invariants.md"
    programs, scripts = tests_by_name()
    rows = re.findall(r"^\| (V\d+) \|[^|]*\|(.*)\|$", read(page), re.M)
    if len(rows) != 22:
        problems.append(f"{page}: {len(rows)} invariants instead of 22")
    for number, proofs in rows:
        numbered = False
        for name in re.findall(r"`([^`]*)`", proofs):
            if name.startswith("tests/"):
                if name not in scripts:
                    problems.append(f"{page}: {number}: there is no {name}")
                numbered |= any(number.lower() in test.split("_") for test in scripts.get(name, ()))
            elif re.fullmatch(r"[A-Z]\w*\.\w+", name):
                if name not in programs:
                    problems.append(f"{page}: {number}: there is no test {name}")
                numbered |= re.search(rf"{number}(?!\d)", name) is not None
        if not numbered and "Not part of this version" not in proofs:
            problems.append(f"{page}: {number}: no test in its row has its number")


def main():
    for page, source, pattern, spelled in LISTS:
        names = set(re.findall(pattern, read(source), re.M)) - PROBE_ONLY
        if not names:
            problems.append(f"{page}: no name found in {source}; has it moved?")
        text = read(page)
        for name in sorted(names):
            if not re.search(rf"(?<![\w-]){re.escape(spelled.format(name))}(?![\w-])", text):
                problems.append(f"{page}: {name} of {source} is missing")
        if page.endswith("metrics.md"):
            for name in sorted(set(re.findall(r"`((?:hale|probe)_\w+)`", text)) - names - PROBE_ONLY):
                problems.append(f"{page}: {source} has no {name}")
    hold_invariants()
    for line in problems:
        print(line)
    print(f"{len(LISTS)} lists, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
