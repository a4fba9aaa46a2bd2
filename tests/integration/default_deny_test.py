"""Goal: every way to change anything has a rule, and nobody gets past it (V18).
Method: the served OpenAPI document lists every route; each is called without a token, with a wrong one and with a role
too low, and none may answer; the traffic listener knows none of them."""

import json
import re
import unittest

from harness import Case, Site, request

OPEN = {"/live", "/ready", "/health", "/healthz", "/livez", "/readyz", "/metrics"}


class DefaultDeny(Case):
    def test_v18_every_route_refuses_strangers_and_low_roles(self):
        with Site() as site:
            site.start("services: {}\n")
            document = json.loads(request(site.where["admin"], path="/openapi.json", headers={"Authorization": f"Bearer {site.token}"})[2])
            self.assertEqual(document["openapi"][:3], "3.1")
            _, made = site.api("/api/v1/tokens", "POST", {"name": "viewer", "role": "read"})
            reader = {"Authorization": f"Bearer {made['secret']}"}
            counted = 0
            for path, methods in document["paths"].items():
                concrete = re.sub(r"\{[^}]+\}", "x", path)
                for method, operation in methods.items():
                    method = method.upper()
                    if method not in ("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"):
                        continue
                    counted += 1
                    with self.subTest(f"{method} {path}"):
                        bare, _, _ = request(site.where["admin"], method, concrete, body=b"" if method != "GET" else None)
                        if concrete in OPEN and method in ("GET", "HEAD"):
                            self.assertIn(bare, (200, 503))
                        else:
                            self.assertEqual(bare, 401)
                            wrong, _, _ = request(site.where["admin"], method, concrete, {"Authorization": "Bearer no"}, b"" if method != "GET" else None)
                            self.assertEqual(wrong, 401)
                        if method != "GET":
                            low, _, _ = request(site.where["admin"], method, concrete, reader, b"{}")
                            self.assertEqual(low, 403)
                        public, headers, _ = request(site.where["http"], method, concrete, {"Host": site.where["http"]}, b"" if method != "GET" else None)
                        self.assertEqual((public, headers.get("hale-reason")), (404, "no_route"))
            self.assertGreater(counted, 30)

    def test_v18_other_hosts_and_origins_are_refused(self):
        with Site() as site:
            site.start("services: {}\n")
            auth = {"Authorization": f"Bearer {site.token}"}
            self.assertEqual(request(site.where["admin"], path="/api/v1/verdicts", headers={**auth, "Host": "evil.example"})[0], 421)
            self.assertEqual(request(site.where["admin"], path="/api/v1/verdicts", headers={**auth, "Origin": "http://evil.example"})[0], 403)
            self.assertEqual(request(site.where["admin"], path="/api/v1/verdicts", headers=auth)[0], 200)

    def test_v18_no_probe_target_is_chosen_by_a_caller(self):
        with Site() as site:
            site.start("services: {}\n")
            auth = {"Authorization": f"Bearer {site.token}"}
            status, _, _ = request(site.where["admin"], path=f"/probe?target=http://{site.where['admin']}/live", headers=auth)
            self.assertEqual(status, 403)
            status, answer = site.api("/api/v1/routes:add", "POST", {"host": "meta.test", "targets": ["169.254.169.254:80"]}, ok=False)
            if status < 300:
                verdict = site.verdict("meta.test-1")
                self.assertFalse(verdict["eligible"])


if __name__ == "__main__":
    unittest.main()
