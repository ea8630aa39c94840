"""Metrics as an operator's Prometheus sees them: a real one scrapes a real server, with the rules and the dashboard of dev/."""

import json
import math
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from support import ROOT, EndToEndTest, end, eventually, free_port

RULES = ROOT / "dev" / "prometheus-rules.yml"
DASHBOARD = ROOT / "dev" / "grafana-dashboard.json"
RULES_TEST = Path(__file__).resolve().parent / "prometheus-rules-test.yml"
# What Grafana would put in their place.
VARIABLES = {"$__rate_interval": "20s", "$job": "godwit", "$instance": ".*", "$queue": ".*"}
METRIC = re.compile(r"\b(?:godwit_[a-z0-9_]+|process_[a-z_]+)\b")


class Prometheus:
    """A Prometheus that scrapes one server every second."""

    def __init__(self, folder, target):
        self.port = free_port()
        config = folder / "prometheus.yml"
        config.write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "godwit", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
        }))
        with open(folder / "prometheus.log", "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
                 f"--web.listen-address=127.0.0.1:{self.port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.log = folder / "prometheus.log"

    def get(self, path, **parameters):
        if self.process.poll() is not None:
            raise AssertionError(f"Prometheus ended:\n{self.log.read_text()}")
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            # It answers so until it has started.
            if error.code == 503:
                raise ConnectionError("Prometheus is not ready") from error
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def query(self, expression):
        """The values that an expression has now."""
        return [float(sample["value"][1]) for sample in self.get("query", query=expression)["result"]]

    def scrapes(self):
        try:
            return (self.query('sum_over_time(up{job="godwit"}[1m])') or [0])[0]
        except OSError:
            return 0


class MetricsTest(EndToEndTest):
    def promtool(self, *arguments, **options):
        done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, **options)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def prepare(self, client):
        for queue, settings in {
            "full": {"max_jobs": 1}, "newest": {"max_jobs": 1, "overflow": "drop_oldest"}, "fails": {"dead_letter_queue": "dead"},
        }.items():
            answer = client.request("PUT", f"/v1/queues/{queue}", settings)
            self.assertIn(answer.status, (200, 201), answer)

    def load(self, client):
        """A little of all that is counted."""
        for number in range(5):
            self.assertEqual(client.post("/v1/queues/works/jobs", {"n": number}).status, 202)
        self.assertEqual(client.post("/v1/queues/works/jobs", "1", {"Idempotency-Key": "one"}).status, 202)
        for queue in ("full", "newest", "fails", "lost"):
            client.post(f"/v1/queues/{queue}/jobs", "1")
        for lease in client.post("/v1/queues/works/leases?max=10").json["leases"]:
            self.assertEqual(client.post(f"/v1/leases/{lease['lease']}/complete", "1").status, 200)
        for lease in client.post("/v1/queues/fails/leases").json["leases"]:
            client.post(f"/v1/leases/{lease['lease']}/fail", {"error": "no", "retry": False})
        client.post("/v1/queues/lost/leases?lease=100ms")
        client.get("/v1/jobs/nothing")

    def test_prometheus_finds_all_that_the_rules_and_the_dashboard_ask_for(self):
        # So much that nothing is refused.
        server = self.serve(arguments=["--max-disk", str(1 << 40)])
        client = self.client(server)
        self.prepare(client)
        prometheus = Prometheus(self.folder, server.port)
        self.addCleanup(end, prometheus.process)

        def scraped():
            self.load(client)
            return prometheus.scrapes() >= 6
        eventually(scraped, timeout=40, interval=0.2, what="six scrapes")

        panels = json.loads(DASHBOARD.read_text())["panels"]
        expressions = [target["expr"] for panel in panels for target in panel.get("targets", [])]
        self.assertGreater(len(expressions), 30)
        for expression in expressions:
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            values = prometheus.query(expression)
            self.assertTrue(values, f"no data for {expression}")
            self.assertTrue(any(math.isfinite(value) for value in values), f"{values} for {expression}")

        groups = prometheus.get("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.assertEqual({group["file"] for group in groups}, {str(RULES)})
        self.assertGreater(len(rules), 15)
        for rule in rules:
            self.assertEqual((rule["health"], rule.get("lastError")), ("ok", None), rule)
            for metric in METRIC.findall(rule["query"]):
                self.assertTrue(prometheus.query(metric), f"{rule['name']} asks for {metric}, which is not there")
            if rule["type"] == "recording":
                self.assertTrue(prometheus.query(rule["name"]), f"{rule['name']} has no data")
        # What went wrong here is seen, and what did not is not.
        self.assertTrue(prometheus.query('godwit_jobs_refused_total{queue="full"} > 0'))
        self.assertTrue(prometheus.query('godwit_jobs_dropped_total{queue="newest"} > 0'))
        self.assertTrue(prometheus.query('godwit_jobs_dead_lettered_total{queue="fails"} > 0'))
        self.assertTrue(prometheus.query('godwit_jobs_duplicate_total{queue="works"} > 0'))
        self.assertTrue(prometheus.query('godwit_leases_expired_total{queue="lost"} > 0'))
        firing = {alert["labels"]["alertname"] for alert in prometheus.get("alerts")["alerts"] if alert["state"] == "firing"}
        self.assertEqual(firing, set())

        page = client.get("/metrics").body.decode()
        self.assertEqual(self.promtool("check", "metrics", input=page), "")
        samples = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
        done = int(samples['godwit_jobs_succeeded_total{queue="works"}'])
        self.assertEqual(int(samples['godwit_queue_run_seconds_count{queue="works"}']), done)
        self.assertEqual(int(samples['godwit_queue_wait_seconds_bucket{queue="works",le="+Inf"}']), done)
        self.assertGreater(float(samples["godwit_publish_confirm_seconds_sum"]), 0)

        self.assertEqual(server.stop(), 0)
        eventually(lambda: prometheus.query('up{job="godwit"}') == [0], what="that the server is seen to be gone")
        self.assertTrue(eventually(lambda: any(
            alert["labels"]["alertname"] == "GodwitUnreachable" for alert in prometheus.get("alerts")["alerts"]), what="the alert"))

    def test_each_alert_fires_when_it_should_and_is_quiet_otherwise(self):
        self.promtool("check", "rules", RULES)
        self.promtool("test", "rules", RULES_TEST)
        tested = set(re.findall(r"alertname: (\w+)", RULES_TEST.read_text()))
        self.assertEqual(tested, set(re.findall(r"alert: (\w+)", RULES.read_text())))
