"""Holds the lists in the guide to the code: every metric, API route, verb, and code told to clients that the code
has stands in its page, and every metric that the page has stands in the code.

Run as a test; prints page: what is missing.
"""

import os
import re
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
    for line in problems:
        print(line)
    print(f"{len(LISTS)} lists, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
