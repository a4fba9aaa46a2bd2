"""Goal: what a reload says is in force is in force, for settings that threads other than control hold to (V19).
Method: a real daemon whose file changes under it; each setting is seen by what it does, before and after."""

import http.client
import os
import re
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import Case, Site, request, wait_for

WEB = 'services: {web: {hosts: [web.test], instances: ["%s"], check: {http: /up, interval: 200ms}}}\n'


class Settings(Case):
    def reload(self, site, text):
        site.configure(text)
        site.api("/api/v1/config:reload", "POST")

    def test_v19_v21_bodies_beyond_the_limit_are_413(self):
        with Site() as site:
            demo = site.demo()
            web = WEB % demo.address
            site.start(web)
            site.wait_state("web-1", "healthy")
            large = b"x" * 5000
            self.assertEqual(site.traffic("web.test", method="POST", body=large)[0], 200)
            self.reload(site, "limits: {max_body: 4KiB}\n" + web)
            status, headers, _ = site.traffic("web.test", method="POST", body=large)
            self.assertEqual((status, headers.get("hale-reason")), (413, "body_too_large"))
            self.assertEqual(site.traffic("web.test", method="POST", body=b"x" * 4096)[0], 200)
            # Without a length it is counted as it comes.
            connection = http.client.HTTPConnection(site.where["http"], timeout=10)
            connection.request("POST", "/", iter([b"x" * 1000] * 5), {"Host": "web.test"}, encode_chunked=True)
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.getheader("Hale-Reason")), (413, "body_too_large"))
            connection.close()
            self.reload(site, web)
            self.assertEqual(site.traffic("web.test", method="POST", body=large)[0], 200)

    def test_v19_threads_and_the_health_listener_are_as_the_file_says(self):
        for workers, checkers in ((1, 3), (3, 1)):
            with Site() as site:
                with open(site.config_path, "w") as out:
                    out.write(f'listen: {{http: "127.0.0.1:0", admin: "127.0.0.1:0", health: "127.0.0.1:0", socket: "{site.folder}/hale.sock"}}\n'
                              f"state: {site.state}\nworkers: {workers}\ncheckers: {checkers}\nservices: {{}}\n")
                site.start()
                metrics = site.api_text("/metrics")
                self.assertEqual(len(re.findall(r"^hale_requests_in_flight\{", metrics, re.M)), workers)
                self.assertEqual(len(re.findall(r"^hale_probes_in_flight\{", metrics, re.M)), checkers)
                self.assertEqual(request(site.where["health"], path="/live")[0], 200)
                self.assertEqual(request(site.where["health"], path="/metrics")[0], 404)

    def test_v19_names_of_the_admin_listener_come_and_go(self):
        with Site() as site:
            def asked(host):
                return request(site.where["admin"], path="/live", headers={"Host": host})[0]

            site.start("admin: {hosts: [hale.test]}\nservices: {}\n")
            self.assertEqual(asked("hale.test"), 200)
            self.reload(site, "admin: {hosts: [other.test]}\nservices: {}\n")
            wait_for(lambda: asked("other.test") == 200, "the new name")
            self.assertEqual(asked("hale.test"), 421)

    def test_v19_the_last_drain_timeout_is_the_one_that_counts(self):
        with Site() as site:
            demo = site.demo()
            web = WEB % demo.address
            site.start("drain_timeout: 1h\n" + web)
            site.wait_state("web-1", "healthy")
            self.reload(site, "drain_timeout: 200ms\n" + web)
            demo.mode("silent", path="/slow")
            answers = []

            def ask():
                try:
                    answers.append(site.traffic("web.test", "/slow", timeout=60)[0])
                except (OSError, http.client.HTTPException):
                    answers.append("cut")

            asking = threading.Thread(target=ask)
            asking.start()
            wait_for(lambda: re.search(r'hale_requests_in_flight\{worker="\d"\} 1\n', site.api_text("/metrics")), "the request to be on its way")
            began = time.monotonic()
            site.stop()
            self.assertLess(time.monotonic() - began, 20)
            asking.join()
            self.assertEqual(answers, ["cut"])


if __name__ == "__main__":
    unittest.main()
