"""Runs the suites one after another, says how far it is, and counts every single test.

A suite is a build preset plus the ctest labels it runs, or a command. The last line printed is
"N passed, N failed, N skipped"; the exit code is 0 only when nothing failed and something passed.
"""

import collections
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOBS = str(os.cpu_count() or 2)

passed, failed, skipped = [], [], []
started = time.monotonic()


def say(line):
    print(f"[{time.monotonic() - started:6.1f} s] {line}", flush=True)


def run(command, log, seconds):
    """Runs a command with its output in build/logs; returns its exit code, 124 when it ran out of time."""
    path = os.path.join(ROOT, "build", "logs", log)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as out:
        try:
            return subprocess.run(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                  timeout=seconds).returncode, path
        except subprocess.TimeoutExpired:
            return 124, path


def tail(path, lines=40):
    with open(path, errors="replace") as text:
        print("".join(text.readlines()[-lines:]), flush=True)


def build(preset, targets=()):
    say(f"building {preset}")
    for command in (["cmake", "--preset", preset],
                    ["cmake", "--build", "--preset", preset, "--parallel", JOBS] + (["--target", *targets] if targets else [])):
        code, path = run(command, f"build-{preset}.log", 3000)
        if code != 0:
            failed.append(f"build {preset}")
            tail(path)
            return False
    return True


def ctest(preset, name, options, seconds=3600):
    """One ctest run; its JUnit file says what passed, failed and was skipped."""
    say(f"running {name}")
    report = os.path.join(ROOT, "build", "logs", f"{name}.xml")
    if os.path.exists(report):
        os.remove(report)
    code, path = run(["ctest", "--test-dir", os.path.join("build", preset), "--output-on-failure", "--no-tests=error",
                      "--output-junit", report, "--timeout", "600", *options], f"{name}.log", seconds)
    if not os.path.exists(report):
        failed.append(f"{name}: no report (exit code {code})")
        tail(path)
        return
    for case in xml.parse(report).getroot().iter("testcase"):
        title = f"{name}: {case.get('name')}"
        status = case.get("status")
        if status == "run":
            passed.append(title)
        elif status in ("notrun", "disabled") or case.find("skipped") is not None:
            skipped.append(title)
        else:
            failed.append(title)
            if len(failed) <= 20:
                print(f"--- {title}\n{(case.findtext('system-out') or '')[-3000:]}", flush=True)
    if code == 124:
        failed.append(f"{name}: out of time")
        tail(path, 60)


def reached_folder():
    """Empty, for the test programs to say which marked branches they took (base/reached.h)."""
    folder = os.path.join(ROOT, "build", "logs", "reached")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def list_never_reached(folder):
    """Marks that no test of any program met: worth a look, and no failure."""
    hits = collections.Counter()
    for name in os.listdir(folder):
        with open(os.path.join(folder, name)) as lines:
            for line in lines:
                count, mark = line.rstrip("\n").split(" ", 1)
                hits[mark.replace("(../../", "(")] += int(count)
    never = sorted(mark for mark, count in hits.items() if count == 0)
    say(f"{len(hits) - len(never)} of {len(hits)} marked branches were taken")
    for mark in never:
        print(f"never reached: {mark}")


def command(name, argv, seconds):
    say(f"running {name}")
    code, path = run(argv, f"{name}.log", seconds)
    if code == 77:
        skipped.append(name)
        tail(path, 3)
    elif code == 0:
        passed.append(name)
    else:
        failed.append(f"{name} (exit code {code})")
        tail(path)


def fuzz_targets():
    """As tests/fuzz/CMakeLists.txt names them: house_fuzz(name …)."""
    with open(os.path.join(ROOT, "tests", "fuzz", "CMakeLists.txt")) as text:
        return sorted(re.findall(r"^\s*house_fuzz\((\w+)", text.read(), re.M))


def fuzz(targets):
    """Each target for a minute over its kept corpus, as many at a time as there are cores; new inputs stay in the build folder."""
    folder = os.path.join(ROOT, "build", "fuzz", "tests", "fuzz")
    seconds = int(os.environ.get("HALE_FUZZ_SECONDS", "60"))

    def one(target):
        new = os.path.join(ROOT, "build", "fuzz-corpus", target)
        os.makedirs(new, exist_ok=True)
        corpus = os.path.join(ROOT, "tests", "fuzz", "corpus", target.removesuffix("_fuzz"))
        if not os.path.isdir(corpus):
            failed.append(f"fuzz {target}: {corpus} is missing")
            return
        command(f"fuzz {target}", [os.path.join(folder, target), f"-max_total_time={seconds}", "-rss_limit_mb=3000", "-timeout=10", new, corpus],
                seconds + 120)

    with concurrent.futures.ThreadPoolExecutor(int(JOBS)) as pool:
        list(pool.map(one, targets))


def main():
    # Inherited as ignored, it would hide how children end from every test that forks.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    quick = sys.argv[1] == "yes"
    os.makedirs(os.path.join(ROOT, "build", "logs"), exist_ok=True)
    command("house_lint", ["/usr/bin/python3", "tools/house_lint.py"], 120)
    if build("dev"):
        os.environ["HALE_REACHED"] = reached_folder()
        ctest("dev", "unit", ["-L", "unit|simulation", "-j", JOBS])
        list_never_reached(os.environ.pop("HALE_REACHED"))
    if not quick:
        # The release build first: a million hostile probes are run against its memory, not the sanitizers'.
        if build("release", ["hale", "demo_backend", "bench_load", "bench_backend", "bench_turn"]):
            passed.append("build release")
            ctest("dev", "integration", ["-L", "integration|conformance", "-j", "1"])
        if build("tsan", ["os_test", "store_test", "hale", "demo_backend"]):
            # What has threads, under the thread sanitizer: the loop, the store, and the whole daemon on real traffic.
            for name in ("os", "store"):
                command(f"threads {name}", [os.path.join("build", "tsan", "src", name, f"{name}_test"), "--gtest_brief=1"], 600)
            command("threads daemon", ["env", f"HALE_BUILD={os.path.join(ROOT, 'build', 'tsan')}", "PYTHONDONTWRITEBYTECODE=1", "/usr/bin/python3", "-m",
                                       "unittest", "-v", os.path.join("tests", "integration", "first_traffic_test.py")], 600)
        targets = fuzz_targets()
        if build("fuzz", targets):
            fuzz(targets)
    for line in skipped:
        print(f"skipped: {line}")
    for line in failed:
        print(f"FAILED: {line}")
    say("done")
    print(f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped", flush=True)
    sys.exit(1 if failed or not passed else 0)


main()
