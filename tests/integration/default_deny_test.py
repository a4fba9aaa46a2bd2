"""Goal: every way to change anything has a rule, and nobody gets past it (V18).
Method: the served OpenAPI document lists every route; each is called without a token, with a wrong one and with a role
too low, and none may answer; the traffic listener knows none of them."""

import json
import os
import re
import unittest

from harness import Case, Site, request, wait_for

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

    def test_v18_no_request_reaches_a_target_that_a_caller_may_not_name(self):
        """However such an instance became eligible: without a check, or by an override."""
        with Site() as site:
            site.start("services: {}\n")
            admin, public = site.where["admin"], site.where["http"]
            auth = {"Authorization": f"Bearer {site.token}"}
            targets = {
                "own-admin": admin,
                "own-port": "127.0.0.2:" + admin.rsplit(":", 1)[1],
                "own-name": "localhost:" + admin.rsplit(":", 1)[1],
                "own-socket": f"unix:{site.where['socket']}",
                "own-socket-otherwise": f"unix:{os.path.dirname(site.where['socket'])}//./{os.path.basename(site.where['socket'])}",
                "link-local": "169.254.169.254:80",
                "unspecified": "0.0.0.0:" + admin.rsplit(":", 1)[1],
            }
            for how, check in (("unchecked", {"check": "none", "reason": "a test"}), ("override", {"check": {"http": "/live", "interval": "200ms"}})):
                for name, target in targets.items():
                    service, host = f"{name}-{how}", f"{name}-{how}.test"
                    site.api(f"/api/v1/services/{service}", "PUT", {"hosts": [host], "instances": [target], **check})
                    if how == "override":
                        site.api(f"/api/v1/services/{service}/override", "PUT", {"state": "up", "for": "1h", "reason": "a test"})
                    with self.subTest(f"{how}: {target}"):
                        for path in ("/live", "/metrics", "/openapi.json", "/api/v1/verdicts"):
                            wait_for(lambda: request(public, path=path, headers={**auth, "Host": host})[0] != 503, f"{host} to be routed")
                            status, headers, body = request(public, path=path, headers={**auth, "Host": host})
                            if name == "own-socket-otherwise":  # Not known by its spelling: the socket itself refuses.
                                self.assertEqual(status, 403, body)
                                continue
                            self.assertEqual((status, headers.get("hale-reason")), (502, "upstream_connect"), body)
            # A name of the public listener that is an address as well: the default Host of many a client.
            site.api("/api/v1/services/loop", "PUT", {"hosts": ["127.0.0.1"], "instances": [admin], "check": "none", "reason": "a test"})
            wait_for(lambda: request(public, path="/api/v1/verdicts", headers=auth)[0] == 502, "the request to be refused")
            self.assertEqual(request(public, path="/api/v1/tokens", headers=auth)[0], 502)
            # A probe does not go there either.
            verdict = wait_for(lambda: (v := site.verdict("own-admin-override-1")) and v["last_probe"] and v, "a probe")
            self.assertEqual(verdict["last_probe"]["code"], "target_refused")

    def test_v18_denied_targets_get_no_request_from_the_reload_on(self):
        with Site() as site:
            demo = site.demo()
            text = 'services: {web: {hosts: [web.test], instances: ["%s"], check: none, reason: a test}}\n' % demo.address
            site.start(text)
            wait_for(lambda: site.traffic("web.test")[0] == 200, "web to answer")
            site.configure("targets: {deny: [127.0.0.0/8]}\n" + text)
            site.api("/api/v1/config:reload", "POST")
            status, headers, _ = site.traffic("web.test")
            self.assertEqual((status, headers.get("hale-reason")), (502, "upstream_connect"))
            site.configure(text)
            site.api("/api/v1/config:reload", "POST")
            self.assertEqual(site.traffic("web.test")[0], 200)


if __name__ == "__main__":
    unittest.main()
