"""Holds the documentation to the tree: every relative link, anchor, named path and named test exists, and no link
leads out of the repository except to a specification.

Run as a test; prints page:line: what is wrong.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Specifications that pages name as their source. Anything else belongs into a page of our own.
SOURCES = ("https://www.rfc-editor.org/", "https://datatracker.ietf.org/", "https://json-schema.org/", "https://spec.openapis.org/",
           "https://yaml.org/spec/", "https://www.w3.org/TR/")
# Addresses in examples: documentation names and the reader's own machine.
EXAMPLES = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\]|10\.\d|192\.0\.2\.|172\.\d|acme-(staging-)?v02\.api\.letsencrypt\.org/directory|[\w.-]*example(\.\w+)?|[\w-]+(:\d+|/|$)|HOST|NAME|name)")
LINK = re.compile(r"\[[^\]\n]*\]\(([^()\s]+)\)")
URL = re.compile(r"https?://[^\s)>\"'`|]+")
PATH = re.compile(r"`((?:src|sim|docs|tools|tests|scripts|cmake|examples|bench|\.ci)/[\w./-]*)`")
TEST = re.compile(r"`([A-Z]\w+)\.([A-Z]\w+)`")

problems = []


def complain(page, line, text):
    problems.append(f"{page}:{line}: {text}")


def tracked():
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    return {f for f in out.stdout.split("\n") if f and os.path.isfile(os.path.join(ROOT, f))}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as text:
        return text.read()


def without_code(text):
    """The page with fenced blocks emptied, so that lines keep their numbers."""
    return re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), text, flags=re.S | re.M)


def anchors(text):
    """Headings as the usual renderers name them."""
    found = set()
    for heading in re.findall(r"^#+ +(.*)$", without_code(text), re.M):
        name = re.sub(r"[^\w\- ]", "", heading.lower().replace("`", "")).replace(" ", "-")
        found.add(name)
    return found


def check_link(page, line, target, files, folders):
    if re.match(r"[a-z]+:", target):
        if not target.startswith(SOURCES):
            complain(page, line, f"{target} leads out of the repository")
        return
    path, _, anchor = target.partition("#")
    where = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
    if where.startswith("..") or path.startswith("/"):
        complain(page, line, f"{target} leads out of the repository")
    elif where not in files and where not in folders:
        complain(page, line, f"{target} does not exist")
    elif anchor and where.endswith(".md") and anchor not in anchors(read(where)):
        complain(page, line, f"{target}: there is no such heading")


def main():
    files = tracked()
    folders = set()
    for path in files:
        while path := os.path.dirname(path):
            folders.add(path)
    tests = set()
    for path in files:
        if path.endswith("_test.cc"):
            tests.update(re.findall(r"^(?:TEST|TEST_F|TEST_P)\((\w+), (\w+)\)", read(path), re.M))
    pages = sorted(path for path in files if path.endswith(".md"))
    linked = {"README.md"}
    for page in pages:
        text = read(page)
        for number, line in enumerate(without_code(text).split("\n"), 1):
            for target in LINK.findall(line):
                check_link(page, number, target, files, folders)
                linked.add(os.path.normpath(os.path.join(os.path.dirname(page), target.partition("#")[0])))
            for path in PATH.findall(line):
                if path.rstrip("/") not in files | folders:
                    complain(page, number, f"{path} does not exist")
            for suite, name in TEST.findall(line):
                if (suite, name) not in tests:
                    complain(page, number, f"there is no test {suite}.{name}")
        for number, line in enumerate(text.split("\n"), 1):
            for url in URL.findall(line):
                if not url.startswith(SOURCES) and not EXAMPLES.match(url):
                    complain(page, number, f"{url} leads out of the repository")
    for page in pages:
        if page.startswith("docs/") and page not in linked:
            complain(page, 1, "no page leads here")
    for line in problems:
        print(line)
    print(f"{len(pages)} pages, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
