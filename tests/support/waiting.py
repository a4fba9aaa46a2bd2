"""Waiting and ports, for whoever starts and ends peers in Python: tests and benchmarks poll here and nowhere else."""

import contextlib
import signal
import socket
import subprocess
import time


def wait_for(condition, what, seconds=20.0):
    """The value of `condition` once it is true; an AssertionError after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up after {seconds} s waiting for {what}")
        time.sleep(0.02)  # poll


def end_process(process, seconds):
    """Asked to end, and killed when it does not within so long. None, and one that ended already, are fine."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port():
    """A port that was free a moment ago. Somebody may take it before it is used: start by `on_free_port` what cannot take port 0."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def on_free_port(start, tries=5):
    """start(port) begins a process that listens there; returns (process, "127.0.0.1:port") once it does. A process that ends
    instead lost its port to somebody else, or is wrong: it is begun again elsewhere, and after `tries` times it is wrong."""
    for _ in range(tries):
        port = free_port()
        process = start(port)

        def up():
            if process.poll() is not None:
                return "ended"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                return "up"
            return None

        if wait_for(up, f"a peer on port {port}") == "up" and process.poll() is None:
            return process, f"127.0.0.1:{port}"
    raise AssertionError(f"a peer ended {tries} times instead of listening; last with {process.returncode}")


@contextlib.contextmanager
def refusing_address():
    """An address that refuses: its port is taken, so nobody else comes to listen there, and nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{s.getsockname()[1]}"


@contextlib.contextmanager
def silent_address():
    """An address where connections are made and nothing is ever said."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(1024)
        yield f"127.0.0.1:{s.getsockname()[1]}"


@contextlib.contextmanager
def black_hole_address():
    """An address that swallows whoever knocks: its queue is full and nobody takes from it, so the kernel answers nothing."""
    with contextlib.ExitStack() as held:
        s = held.enter_context(socket.socket())
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        for _ in range(16):
            knock = held.enter_context(socket.socket())
            knock.settimeout(0.3)
            try:
                knock.connect(s.getsockname())
            except TimeoutError:
                break
        else:
            raise AssertionError("a queue that does not fill")
        yield f"127.0.0.1:{s.getsockname()[1]}"
