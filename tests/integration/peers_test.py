"""Goal: real nginx and real haproxy behave behind Hale as they do without it.
Method: both as backends on free ports; bodies of many sizes both ways, HEAD, ranges, chunked uploads, keep-alive,
and a kill that the verdict must follow."""

import hashlib
import http.client
import os
import unittest

from harness import Case, Site

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.err;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  client_max_body_size 64m;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/www;
    location /up {{ return 200 "up\\n"; }}
    location /echo {{ proxy_pass http://{echo}; proxy_http_version 1.1; proxy_request_buffering off; }}
  }}
}}
"""

HAPROXY = """
global
  maxconn 200
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 1s
frontend in
  bind 127.0.0.1:{port}
  http-request return status 200 content-type text/plain string "up" if {{ path /up }}
  http-request return status 418 content-type text/plain string "teapot" if {{ path /teapot }}
  default_backend out
backend out
  server s {nginx}
"""

CONFIG = """
defaults: {{check: {{interval: 200ms, timeout: 1s, confirm_interval: 100ms}}}}
services:
  nginx:
    hosts: [nginx.test]
    instances: ["{nginx}"]
    check: {{http: /up, expect: ["[STATUS] == 200", "[BODY] == pat(*up*)"]}}
  haproxy:
    hosts: [haproxy.test]
    instances: ["{haproxy}"]
    check: {{http: /up}}
  both:
    hosts: [both.test]
    instances: ["{nginx}", "{haproxy}"]
    check: {{http: /up}}
"""


class Peers(Case):
    def test_real_peers_serve_through_hale_and_their_death_is_a_verdict(self):
        with Site() as site:
            echo = site.demo("echo")
            os.makedirs(os.path.join(site.folder, "www"))
            contents = {}
            for size in (0, 1, 1000, 16384, 65536, 300_000, 5_000_000):
                contents[size] = os.urandom(size)
                with open(os.path.join(site.folder, "www", f"{size}.bin"), "wb") as out:
                    out.write(contents[size])
            os.chmod(site.folder, 0o755)

            def written(name, text):
                path = os.path.join(site.folder, name)
                with open(path, "w") as out:
                    out.write(text)
                return path

            nginx, nginx_address = site.on_free_port(lambda port: [
                "nginx", "-c", written("nginx.conf", NGINX.format(folder=site.folder, port=port, echo=echo.address))])
            haproxy, haproxy_address = site.on_free_port(lambda port: [
                "haproxy", "-db", "-f", written("haproxy.cfg", HAPROXY.format(port=port, nginx=nginx_address))])
            site.start(CONFIG.format(nginx=nginx_address, haproxy=haproxy_address))
            for name in ("nginx-1", "haproxy-1", "both-1", "both-2"):
                site.wait_state(name, "healthy")

            for host in ("nginx.test", "haproxy.test", "both.test"):
                for size, content in contents.items():
                    status, headers, body = site.traffic(host, f"/{size}.bin")
                    self.assertEqual(status, 200)
                    self.assertEqual(hashlib.sha256(body).digest(), hashlib.sha256(content).digest(), (host, size))
                    status, headers, body = site.traffic(host, f"/{size}.bin", "HEAD")
                    self.assertEqual((status, headers["content-length"], body), (200, str(size), b""))
            status, headers, body = site.traffic("nginx.test", "/65536.bin", headers={"Range": "bytes=10-19"})
            self.assertEqual((status, body), (206, contents[65536][10:20]))
            self.assertEqual(site.traffic("nginx.test", "/missing")[0], 404)
            self.assertNotIn("hale-reason", site.traffic("nginx.test", "/missing")[1])  # The application's own 404.
            self.assertEqual(site.traffic("haproxy.test", "/teapot")[0], 418)

            # A thousand requests on one connection, pipelining left to the proxy's own tests.
            connection = http.client.HTTPConnection(*site.where["http"].split(":"), timeout=10)
            for _ in range(1000):
                connection.request("GET", "/1000.bin", headers={"Host": "both.test"})
                answer = connection.getresponse()
                self.assertEqual(answer.read(), contents[1000])
            connection.close()

            site.end(nginx)
            site.wait_state("nginx-1", "unhealthy")
            self.assertEqual(site.traffic("nginx.test", "/up")[0], 503)
            self.assertEqual(site.traffic("both.test", "/up")[0], 200)  # haproxy still answers /up by itself.
            site.end(haproxy)
            site.wait_state("both-2", "unhealthy")
            self.assertEqual(site.traffic("both.test", "/up")[1]["hale-reason"], "no_eligible_instance")


if __name__ == "__main__":
    unittest.main()
