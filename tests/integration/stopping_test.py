"""Goal: SIGTERM ends the daemon without losing what is under way, in the time that was said, and sooner when asked again.
Method: kept connections and downloads of several lengths over the signal; the clock from the signal to the end."""

import http.client
import signal
import threading
import time
import unittest

from harness import Case, Site, request, wait_for

CONFIG = "drain_timeout: {drain}\nservices:\n  web: {{hosts: [web.test], instances: [\"{demo}\"], check: {{http: /up, interval: 300ms}}}}\n"


class Stopping(Case):
    def begin(self, site, drain, seconds):
        """A download of so many seconds under way; its outcome will be in the dictionary."""
        site.start(CONFIG.format(drain=drain, demo=site.demo().address))
        site.wait_state("web-1", "healthy")
        out = {"lines": 0}

        def download():
            where, port = site.where["http"].rsplit(":", 1)
            connection = http.client.HTTPConnection(where, int(port), timeout=60)
            try:
                connection.request("GET", f"/stream?seconds={seconds}", headers={"Host": "web.test"})
                answer = connection.getresponse()
                while answer.readline():
                    out["lines"] += 1
                out["whole"] = True
            except (OSError, http.client.HTTPException) as error:
                out["cut"] = repr(error)
            finally:
                connection.close()

        thread = threading.Thread(target=download)
        thread.start()
        wait_for(lambda: out["lines"] > 2, "the download to begin", 20)
        return thread, out

    def ends(self, site, at_least, at_most, began):
        self.assertEqual(site.daemon.wait(at_most + 20), 0)
        took = time.monotonic() - began
        self.assertGreaterEqual(took, at_least)
        self.assertLess(took, at_most)

    def is_told(self, kept):
        kept.request("GET", "/up", headers={"Host": "web.test"})
        answer = kept.getresponse()
        self.assertEqual((answer.status, answer.read()[:2]), (200, b"up"))
        return answer.getheader("Connection") == "close"

    def is_refused(self, site):
        try:
            request(site.where["http"], path="/up", headers={"Host": "web.test"})
        except OSError:
            return True
        return False

    def test_v20_what_is_under_way_finishes_and_kept_connections_are_told(self):
        with Site() as site:
            thread, out = self.begin(site, "30s", 3)
            where, port = site.where["http"].rsplit(":", 1)
            kept = [http.client.HTTPConnection(where, int(port), timeout=20) for _ in range(5)]
            for one in kept:
                one.request("GET", "/up", headers={"Host": "web.test"})
                answer = one.getresponse()
                self.assertEqual((answer.status, answer.read()[:2], answer.will_close), (200, b"up", False))
            began = time.monotonic()
            site.daemon.send_signal(signal.SIGTERM)
            wait_for(lambda: "stopping:" in site.log_text(), "it to begin to stop", 10)
            # Each worker takes the word in a turn of its own: until then it answers as ever.
            for one in kept:
                wait_for(lambda one=one: self.is_told(one), "a kept connection to be told", 10)
                one.close()
            wait_for(lambda: self.is_refused(site), "new connections to be refused", 10)
            thread.join()
            self.assertEqual(out, {"lines": 30, "whole": True})
            self.ends(site, 1, 20, began)

    def test_what_does_not_finish_is_ended_after_drain_timeout(self):
        with Site() as site:
            thread, out = self.begin(site, "1s", 40)
            began = time.monotonic()
            site.daemon.send_signal(signal.SIGTERM)
            self.ends(site, 0.9, 10, began)
            thread.join()
            self.assertIn("cut", out)

    def test_a_second_signal_hurries(self):
        with Site() as site:
            thread, out = self.begin(site, "40s", 40)
            began = time.monotonic()
            site.daemon.send_signal(signal.SIGTERM)
            wait_for(lambda: "stopping:" in site.log_text(), "it to begin to stop", 10)
            before = out["lines"]
            wait_for(lambda: out["lines"] > before + 3, "the download to go on", 10)
            site.daemon.send_signal(signal.SIGTERM)
            self.ends(site, 0, 15, began)
            thread.join()
            self.assertIn("cut", out)


if __name__ == "__main__":
    unittest.main()
