"""Chromium without a window, driven over two pipes by its DevTools protocol."""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def program():
    """Its path, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """events: what it has told, as (method, parameters)."""

    def __init__(self, to, back):
        self.to, self.back, self.number, self.session = to, back, 0, None
        self.events, self.rest = [], b""
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self.session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self(f"{domain}.enable")

    def __call__(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def _read(self):
        while b"\0" not in self.rest:
            part = os.read(self.back, 2**16)
            assert part, "the browser has ended"
            self.rest += part
        one, _, self.rest = self.rest.partition(b"\0")
        message = json.loads(one)
        if "method" in message:
            self.events.append((message["method"], message.get("params", {})))
        return message

    def of(self, method):
        return [parameters for name, parameters in self.events if name == method]

    def open(self, path):
        self("Page.navigate", url=path.resolve().as_uri())
        while not self.of("Page.loadEventFired"):
            self._read()

    def run(self, code):
        """The value of an expression of JavaScript."""
        found = self("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key, code):
        for kind in ("keyDown", "keyUp"):
            self("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)


def _high(descriptor):
    found = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10)
    os.close(descriptor)
    return found


@contextmanager
def browser():
    # Not 3 and 4 themselves, which the shell is going to open.
    (to_child, to), (back, from_child) = (map(_high, os.pipe()) for _ in range(2))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = [
            program(), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", f"--user-data-dir={profile}",
            "--remote-debugging-pipe",
        ]  # fmt: skip
        shell = f'exec "$@" 3<&{to_child} 4>&{from_child}'
        child = subprocess.Popen(
            ["bash", "-c", shell, "bash", *words],
            pass_fds=(to_child, from_child),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_child)
        os.close(from_child)
        try:
            yield Browser(to, back)
        finally:
            os.close(to)  # it ends by itself
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            os.close(back)
