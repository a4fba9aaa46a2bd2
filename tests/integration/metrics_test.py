"""Goal: both forms of /metrics and /probe are read by the official parsers and hold the same samples.
Method: a daemon with a healthy, a sick and a never judged service and some traffic; what it tells is parsed by Debian's
python3-prometheus-client, strictly (its OpenMetrics parser refuses misnamed counters, wrong units, a missing end)."""

import math
import unittest

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from harness import Case, Site, free_port, request, wait_for

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
SCRAPER = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"


def samples(families):
    return {(s.name, tuple(sorted((k, float(v) if k == "le" else v) for k, v in s.labels.items()))): s.value for family in families for s in family.samples}


class Metrics(Case):
    def read(self, site, path, accept):
        headers = {"Authorization": f"Bearer {site.token}", **({"Accept": accept} if accept else {})}
        status, fields, body = request(site.where["admin"], path=path, headers=headers)
        self.assertEqual(status, 200)
        self.assertEqual(fields["vary"], "Accept")
        return fields["content-type"], body.decode()

    def test_both_forms_are_parsed_and_hold_the_same(self):
        with Site() as site:
            demo = site.demo()
            site.start(f'services:\n  web: {{hosts: [web.example], instances: ["{demo.address}"], check: {{http: /up}}}}\n'
                       f'  sick: {{instances: ["127.0.0.1:{free_port()}"], check: {{tcp: ""}}}}\n  never: {{checks: {{beat: {{heartbeat: {{every: 1h}}}}}}}}\n')
            site.wait_state("web-1", "healthy")
            site.wait_state("sick-1", "unhealthy")
            for _ in range(3):
                self.assertEqual(site.traffic("web.example")[0], 200)
            self.assertEqual(site.traffic("nobody.example")[0], 404)
            wait_for(lambda: 'hale_requests_total{service="web"' in self.read(site, "/metrics", None)[1], "the requests to be counted")

            for accept in (None, "*/*", "text/plain", OPENMETRICS + ";q=0.1, text/plain"):
                kind, text = self.read(site, "/metrics", accept)
                self.assertEqual(kind, TEXT)
                self.assertNotIn("# EOF", text)
                self.assertNotIn("# UNIT", text)
                plain = samples(prometheus(text))
            for accept in (OPENMETRICS, "application/openmetrics-text", SCRAPER):
                kind, text = self.read(site, "/metrics", accept)
                self.assertEqual(kind, OPENMETRICS)
                self.assertTrue(text.endswith("\n# EOF\n"))
                families = list(openmetrics(text))
            told = samples(families)
            kinds = {family.name: (family.type, family.unit) for family in families}
            self.assertEqual(kinds["hale_requests"], ("counter", ""))
            self.assertEqual(kinds["hale_build"], ("info", ""))
            self.assertEqual(kinds["hale_request_duration_seconds"], ("histogram", "seconds"))
            self.assertEqual(kinds["hale_verdict"][0], "gauge")
            for family in families:
                self.assertEqual(family.unit, "seconds" if family.name.endswith("_seconds") else "", family.name)
                self.assertTrue(family.documentation, family.name)
            self.assertEqual(told[("hale_requests_total", (("code_class", "2xx"), ("service", "web"), ("source", "upstream")))], 3)
            self.assertEqual(told[("hale_verdict", (("instance", "sick-1"), ("service", "sick"), ("state", "unhealthy")))], 1)
            self.assertEqual(set(plain), set(told))  # The numbers go on between two scrapes; the series do not.
            self.assertTrue(all(math.isfinite(value) for value in told.values()))
            self.assertGreater(len(told), 150)

    def test_one_probe_too(self):
        with Site() as site:
            demo = site.demo()
            site.start(f'services:\n  web: {{instances: ["{demo.address}"], check: {{http: /up}}}}\n')
            site.wait_state("web-1", "healthy")
            kind, text = self.read(site, "/probe?target=web-1", SCRAPER)
            self.assertEqual(kind, OPENMETRICS)
            told = samples(openmetrics(text))
            self.assertEqual(told[("probe_success", ())], 1)
            kind, text = self.read(site, "/probe?target=web-1", None)
            self.assertEqual(kind, TEXT)
            self.assertEqual(set(samples(prometheus(text))), set(told))


if __name__ == "__main__":
    unittest.main()
