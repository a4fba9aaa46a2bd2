"""The house's rules that a compiler does not know. Run as a test; prints file:line: rule: what to do instead.

  include direction    a folder includes only itself and strictly lower floors (src/*/CMakeLists.txt say which)
  the world            clocks, randomness, threads, locks, sockets only in the files listed below
  banned names         with their replacement
  coroutines           no capturing lambda that is a coroutine
  leftovers            no reminders, no disabled tests
  sleep                no test, benchmark or script sleeps; where it polls, the line says "poll"
  fixed port           no test listens on a port of its choice
  dead files           every source file is named by its CMakeLists.txt

An entry of an allow-list that nothing needs any more is a problem too, so the lists shrink by themselves; a new one
needs a page in docs/decisions, which no lint can read. The longest files are printed as places worth a look; nothing
fails for its length.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.chdir(ROOT)

# Which files may name the world. A folder ends in "/".
ALLOWED = {
    "clock": (["src/os/", "bench/", "tests/"],
              r"steady_clock|system_clock|high_resolution_clock|clock_gettime|gettimeofday|[^_a-z]time\(nullptr\)"),
    "randomness": (["src/os/"], r"std::random_device|[^_a-z]s?rand\(|getrandom"),
    "thread": (["src/os/", "src/store/"], r"std::j?thread|pthread_create|std::async"),
    "lock": (["src/os/", "src/store/", "src/app/"], r"std::(shared_)?mutex|std::condition_variable|std::lock_guard"),
    "socket": (["src/os/", "tests/", "bench/"], r"[^_a-z.>:](socket|accept4|recv|sendmsg|epoll_ctl|setsockopt)\("),
    "process": (["src/os/", "src/store/crash_test.cc"], r"[^_a-z](fork|execve?|posix_spawn|popen|system)\("),
}

BANNED = [
    (r"\bclass \w*(Manager|Helper|Util|Utils|Impl)\b", "a noun of the glossary that says what it is"),
    (r"\bstd::regex\b", "RE2: patterns come from users"),
    (r"\bstd::(cout|cerr|endl)\b", "fmt::print"),
    (r"^\s*throw\b", "a Result; house code does not throw"),
    (r"(?<!\()\bnew [A-Z]\w*[({;]", "std::make_unique (or hand it to its owner in the same expression: Owner(new T()))"),
    (r"\bassert\(", "HALE_CHECK or HALE_BUG_IF"),
]
BANNED_ALLOWED = {  # file: patterns by position in BANNED
    "sim/seed.cc": (4,),              # GoogleTest owns its listeners.
    "src/os/spawn_helper.h": (0,),    # A helper process is what Unix calls it.
    "src/expect/expect_test.cc": (3,),  # A counting operator new must throw bad_alloc.
}

LEFTOVER = r"\bTODO\b|\bFIXME\b|\bXXX\b|\bHACK\b|DISABLED_|not implemented|unimplemented"
SLEEP = r"sleep_for|sleep_until|nanosleep\(|usleep\(|[^a-z_]sleep\(|time\.sleep\("
SHELL_SLEEP = r"(^|[;&|({`]|\b(do|then|else|exec)\b)\s*sleep\s"
SLEEP_ALLOWED: set[str] = set()
# A port other than 0 where something listens: bind(("127.0.0.1", 80)), htons(80), --listen 127.0.0.1:80; and in tests
# that start whole programs also in their configurations: listen: {http: "127.0.0.1:80"}.
FIXED_PORT = r"""\bbind\(\(?[^)]*,\s*[1-9]\d*\s*\)|\bhtons\([1-9]|--listen["']?[\s=,"']+[\w.\[\]]*:[1-9]\d*"""
CONFIGURED_PORT = r"""\b(listen|bind|http|admin|health)["']?[\s:=({]+\\?["']?[\w.\[\]]*:[1-9]\d{1,4}\b"""

# Headers that only tests include: beds, fakes, scripted peers.
TEST_SUPPORT = re.compile(r"/(testing|test_\w+|fake_\w+|scripted_\w+)\.(h|cc)$")

problems = []
needed = set()  # Of the allow-lists: what some line really made use of.


def complain(path, line, rule, text):
    problems.append(f"{path}:{line}: {rule}: {text}")


def tracked():
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], capture_output=True, text=True, check=True)
    return [f for f in out.stdout.split("\n") if f and os.path.isfile(f)]


def floors():
    """Folder → (floor, the folders it rests on, transitively)."""
    found = {}
    for top in ["sim"] + [f"src/{name}" for name in sorted(os.listdir("src"))]:
        path = f"{top}/CMakeLists.txt"
        if not os.path.isfile(path):
            continue
        text = re.sub(r"#.*", "", open(path).read())
        call = re.search(r"house_library\(\s*(\w+)\s+FLOOR\s+(\d+)(.*?)\)", text, re.S)
        if call:
            on = re.search(r"\bON\b([\w\s]*?)(?:\bSYSTEM\b|\bTESTS_ON\b|\bTESTS\b|$)", call.group(3), re.S)
            found[call.group(1)] = (int(call.group(2)), set(on.group(1).split()) if on else set(), top)
    changed = True
    while changed:
        changed = False
        for name, (floor, on, top) in found.items():
            more = set().union(*(found[b][1] for b in on if b in found)) - on
            if more:
                on |= more
                changed = True
    return found


def strip_strings_and_comments(line):
    line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
    return line.split("//")[0]


def main():
    files = tracked()
    sources = [f for f in files if re.match(r"(src|sim|tests|bench|tools)/", f) and f.endswith((".h", ".cc"))]
    house = floors()
    by_top = {top: name for name, (_, _, top) in house.items()}

    listed = {}
    for path in [f for f in files if f.endswith("CMakeLists.txt")]:
        listed[os.path.dirname(path)] = open(path).read()

    cmake = "".join(open(f).read() for f in files if f.startswith("cmake/") and f.endswith(".cmake"))

    for path in sources:
        text = open(path, errors="replace").read().split("\n")
        top = "/".join(path.split("/")[:2]) if path.startswith("src/") else path.split("/")[0]
        name = by_top.get(top)
        is_test = path.endswith(("_test.cc", "_test.h", "_bench.cc")) or path.startswith(("tests/", "bench/")) or bool(TEST_SUPPORT.search(path))
        fixed = f"{FIXED_PORT}|{CONFIGURED_PORT}" if path.startswith("tests/") else FIXED_PORT
        simulated = any(line.startswith('#include "sim/') for line in text)  # Ports of a machine of its own.
        for number, line in enumerate(text, 1):
            include = re.match(r'#include "(\w+)/', line)
            if include and name and not is_test:
                other = include.group(1)
                if other in house and other != name and other not in house[name][1]:
                    complain(path, number, "include direction", f"{name} does not rest on {other}; put what you need lower, or an interface")
            if include and include.group(1) == "src":
                complain(path, number, "include direction", "include \"folder/file.h\", without src/")
            code = strip_strings_and_comments(line)
            for rule, (where, pattern) in ALLOWED.items():
                if not re.search(pattern, code):
                    continue
                allowed = {(rule, w) for w in where if path.startswith(w)}
                needed.update(allowed)
                if not allowed and not (rule == "thread" and is_test):
                    complain(path, number, rule, f"names the world ({rule}); allowed only in {', '.join(where)}")
            for index, (pattern, instead) in enumerate(BANNED):
                if re.search(pattern, code):
                    if index in BANNED_ALLOWED.get(path, ()):
                        needed.add((path, index))
                    else:
                        complain(path, number, "banned", f"use {instead}")
            if re.search(LEFTOVER, line) and path != "tools/house_lint.py":
                complain(path, number, "leftover", "finish it or open it elsewhere")
            if is_test and re.search(SLEEP, code):
                if path in SLEEP_ALLOWED:
                    needed.add(path)
                else:
                    complain(path, number, "sleep", "wait for a condition with a deadline")
            if is_test and not simulated and re.search(fixed, line.split("//")[0]):
                complain(path, number, "fixed port", "listen on port 0 and ask for the one it became")
            if re.search(r"\[[^\]]+\]\s*\([^)]*\)\s*(mutable\s*)?->\s*Task<", code):
                complain(path, number, "coroutine", "a capturing lambda that is a coroutine outlives its captures")
        folder = os.path.dirname(path)
        while folder and folder not in listed:
            folder = os.path.dirname(folder)
        if path.endswith(".cc") and os.path.basename(path) not in listed.get(folder, "") + cmake and path != "cmake/pch.cc":
            complain(path, 1, "dead file", f"{folder}/CMakeLists.txt does not name it")
    for path in [f for f in files if re.match(r"(tests|tools|bench)/.*\.py$", f) and f != "tools/house_lint.py"]:
        for number, line in enumerate(open(path, errors="replace"), 1):
            if re.search(SLEEP, line.split("#")[0]) and "poll" not in line:
                complain(path, number, "sleep", "wait for a condition with a deadline (tests' wait_for polls in one place)")
            if path.startswith("tests/") and re.search(f"{FIXED_PORT}|{CONFIGURED_PORT}", line.split("#")[0]):
                complain(path, number, "fixed port", "port 0, or on_free_port for what cannot take it")
    for path in [f for f in files if re.match(r"(tests|scripts|examples|tools|bench|\.ci)/", f)]:
        with open(path, "rb") as file:
            shell = path.endswith(".sh") or re.match(rb"#!.*\b(ba)?sh\b", file.readline())
        for number, line in enumerate(open(path, errors="replace") if shell else (), 1):
            if re.search(SHELL_SLEEP, line.split("#")[0]) and "poll" not in line:
                complain(path, number, "sleep", "wait for a condition with a deadline; where that polls, say so")
    listed_entries = {(rule, w) for rule, (where, _) in ALLOWED.items() for w in where}
    listed_entries |= {(path, index) for path, indices in BANNED_ALLOWED.items() for index in indices} | SLEEP_ALLOWED
    for entry in sorted(map(str, listed_entries - needed)):
        complain("tools/house_lint.py", 1, "allow-list", f"nothing needs {entry} any more: take it out")

    longest = sorted(((sum(1 for _ in open(f, errors="replace")), f) for f in sources), reverse=True)[:8]
    print("longest files: " + ", ".join(f"{path} {lines}" for lines, path in longest))
    for line in sorted(problems):
        print(line)
    print(f"{len(sources)} files, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
