"""Compares the generated parts of docs/ with what the code says now.

  docs_are_current.py PATH_OF_HALE_REFERENCE            compares; exit 1 and a diff when a page is behind
  docs_are_current.py PATH_OF_HALE_REFERENCE --write    brings the pages up to date

A whole page is generated, or the lines between `<!-- generated: PART -->` and `<!-- end of PART -->`.
"""

import difflib
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Page, what hale_reference is asked for, and whether the page is nothing else.
PAGES = [
    ("docs/guide/configuration.md", "configuration", True),
    ("docs/guide/concepts.md", "reasons", False),
    ("docs/guide/troubleshooting.md", "detection", False),
]


def expected(page, part, whole, tool):
    generated = subprocess.run([tool, part], capture_output=True, text=True, check=True).stdout
    if whole:
        return generated
    with open(os.path.join(ROOT, page)) as text:
        content = text.read()
    marks = re.compile(rf"(<!-- generated: {part} -->\n).*?(<!-- end of {part} -->)", re.S)
    if len(marks.findall(content)) != 1:
        sys.exit(f"{page}: exactly one part must be marked with <!-- generated: {part} --> and <!-- end of {part} -->")
    return marks.sub(lambda found: found[1] + generated + found[2], content)


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--write"]):
        sys.exit(__doc__)
    behind = 0
    for page, part, whole in PAGES:
        path = os.path.join(ROOT, page)
        wanted = expected(page, part, whole, sys.argv[1])
        had = open(path).read() if os.path.exists(path) else ""
        if had == wanted:
            continue
        if sys.argv[2:]:
            with open(path, "w") as out:
                out.write(wanted)
            print(f"{page}: written")
            continue
        behind += 1
        sys.stdout.writelines(difflib.unified_diff(had.splitlines(True), wanted.splitlines(True), page, "the code", n=1))
    if behind:
        sys.exit(f"{behind} page(s) behind the code; run tools/docs_are_current.py {sys.argv[1]} --write")


main()
