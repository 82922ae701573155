"""Chromium without a screen, driven by its DevTools protocol over a pipe: no package is needed, no port is opened."""

import contextlib
import json
import shutil
import signal
import subprocess
import threading
import time

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_PATIENCE = 60.0  # seconds, for an answer


class Browser:
    """A browser with one page; `events` holds what it told without being asked."""

    def __init__(self, folder):
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        flags += [f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank"]
        # The protocol's pipes are the descriptors 3 and 4, which the shell makes of its own input and output.
        command = ["sh", "-c", 'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null', CHROMIUM, *flags]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, **pipes)
        self._last, self._session, self._left, self.events = 0, None, b"", []
        targets = self._ask("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self._ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def _ask(self, method, **parameters):
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._process.stdin.write(json.dumps(message).encode() + b"\0")
        self._process.stdin.flush()
        while (answer := self._next()).get("id") != self._last:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self):
        watch = threading.Timer(_PATIENCE, self._process.kill)  # a browser that hangs ends the read below
        watch.start()
        try:
            while b"\0" not in self._left:
                part = self._process.stdout.read1(1 << 20)
                assert part, "the browser has ended"
                self._left += part
        finally:
            watch.cancel()
        message, _, self._left = self._left.partition(b"\0")
        return json.loads(message)

    def command(self, method, **parameters):
        """Send a command of the protocol; return its result."""
        return self._ask(method, **parameters)

    def open(self, path):
        """Open a file, and wait until it is loaded."""
        self.events.clear()
        self._ask("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def evaluate(self, script):
        """Run JavaScript in the page; return its value, which JSON must hold."""
        result = self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, script):
        """Wait until a JavaScript expression is true."""
        until = time.monotonic() + _PATIENCE
        while not self.evaluate(script):
            assert time.monotonic() < until, script
            time.sleep(0.02)

    def press(self, key):
        """Press and release a key, where the focus is."""
        codes = {"ArrowRight": 39, "ArrowLeft": 37, "Tab": 9, " ": 32}
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if key == " " and kind == "keyDown" else {}
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=codes[key], **text)

    def close(self):
        """End the browser."""
        with contextlib.suppress(AssertionError, OSError):
            self._session = None
            self._ask("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
