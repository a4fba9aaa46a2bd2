"""What every surface says of every verdict, kept side by side: list, explain, metrics, events (V1).

Two things are the same record when they have the same key: the version for what the checker believes, the revision for what
the folded view adds. Whoever says something else under a key that was heard before is a disagreement, at any time later too."""

import http.client
import json
import re
import threading


class Surfaces:
    """Samples a site's surfaces from a thread of its own until it is left, and keeps what disagrees."""

    def __init__(self, site):
        self.site = site
        self.lock = threading.Lock()
        self.said = {}  # key → (what, {surfaces})
        self.compared = {}  # pair of surfaces → of how many keys both spoke
        self.disagreements = []
        self.samples = 0
        self.events = 0
        self.failures = []
        self.newest_event = 0
        self.stopping = threading.Event()

    def __enter__(self):
        self.threads = [threading.Thread(target=self.guarded, args=(what,)) for what in (self.sample, self.follow)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)

    def guarded(self, what):
        try:
            what()
        except Exception as error:  # A thread's end must not be silent.
            self.failures.append(f"{what.__name__}: {error!r}")

    def hear(self, surface, key, what):
        with self.lock:
            before = self.said.setdefault(key, (what, set()))
            if before[0] != what:
                self.disagreements.append(f"{key}: {sorted(before[1])} said {before[0]}, {surface} says {what}")
            if surface not in before[1]:
                for other in before[1]:
                    pair = tuple(sorted((surface, other)))
                    self.compared[pair] = self.compared.get(pair, 0) + 1
                before[1].add(surface)

    def hear_instance(self, surface, one):
        believed = (one["id"], one["generation"], "version", one["version"])
        self.hear(surface, believed, (one["state"], one["reason"]["code"]))
        folded = (one["id"], "revision", one["revision"])
        self.hear(surface, folded, (one["state"], one["version"], one["eligible"], one["lifecycle"], tuple(one["flags"]), one["override"] and one["override"]["state"]))

    def sample(self):
        site = self.site
        while not self.stopping.is_set():
            ids = {}
            for one in site.verdicts():
                self.hear_instance("list", one)
                ids[one["service"], one["instance"]] = one["id"], one["generation"]
            for service in {service for service, _ in ids}:
                status, explained = site.api(f"/api/v1/services/{service}/explain", ok=False)
                if status == 200:
                    for one in explained["instances"]:
                        self.hear_instance("explain", one)
            states, versions = {}, {}
            for name, labels, value in re.findall(r"^(hale_verdict|hale_verdict_version)\{(.*)\} (\d+)$", site.api_text("/metrics"), re.M):
                label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
                place = label["service"], label["instance"]
                if name == "hale_verdict_version":
                    versions[place] = int(value)
                elif value == "1":
                    assert place not in states, f"two states of {place} in one scrape"
                    states[place] = label["state"]
            assert set(states) == set(versions), (states, versions)
            for place, version in versions.items():
                if place in ids:  # A generation of a moment ago may be gone by now; its number would be a guess.
                    self.hear("metrics", (ids[place][0], "state at version", version), states[place])
            # The same, of what the others said.
            with self.lock:
                heard = [(key, what, set(by)) for key, (what, by) in self.said.items() if key[-2] == "version"]
            for key, what, by in heard:
                for surface in by:
                    self.hear(surface, (key[0], "state at version", key[3]), what[0])
            self.samples += 1

    def follow(self):
        """Every event of a verdict. The stream is opened again when it ends, which a slow client must bear."""
        host, port = self.site.where["admin"].split(":")
        while not self.stopping.is_set():
            connection = http.client.HTTPConnection(host, int(port), timeout=5)
            try:
                connection.request("GET", "/api/v1/events?types=verdict", headers={"Authorization": f"Bearer {self.site.token}"})
                stream = connection.getresponse()
                assert stream.status == 200, stream.status
                while not self.stopping.is_set():
                    line = stream.readline()
                    if not line:
                        break
                    if line.startswith(b"data: ") and b'"io.hale.verdict.changed' in line:
                        event = json.loads(line[6:])
                        revision = int(event["id"])
                        assert revision >= self.newest_event, f"event {revision} after {self.newest_event}"
                        self.newest_event = revision
                        self.hear_instance("events", event["data"])
                        self.events += 1
            except TimeoutError:
                pass  # Nothing changed for long.
            finally:
                connection.close()
