"""Receive the webhooks of Alertmanager and Grafana and print one line for each alert.

`python examples/alert_webhook.py [host] [port]`; both senders post the same shape. Copy it where
alerts should go on to a system that neither of them knows.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY_BYTES = 1024 * 1024
"""Twenty alerts need a few kilobytes."""


class Webhook(BaseHTTPRequestHandler):
    """Answers 204 to what it has printed; senders repeat everything else."""

    def do_POST(self) -> None:
        """Print the alerts of a notification."""
        size = int(self.headers.get("Content-Length", 0))
        if size > MAX_BODY_BYTES:
            self.send_error(413)
            return
        try:
            alerts = json.loads(self.rfile.read(size))["alerts"]
            lines = [line(self.path, alert) for alert in alerts]
        except (ValueError, KeyError, TypeError):
            self.send_error(400, "not a notification of Alertmanager or Grafana")
            return
        for each in lines:
            print(each, flush=True)
        self.send_response(204)
        self.end_headers()

    def do_GET(self) -> None:
        """Say that it is there."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print alerts only."""


def line(path: str, alert: dict[str, dict[str, str]]) -> str:
    """Return what a person needs to know of an alert."""
    texts, name = alert["annotations"], alert["labels"]["alertname"]
    return f"{path} {alert['status']} {name}: {texts['description']} -> {texts['runbook']}"


if __name__ == "__main__":
    host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 9095  # noqa: PLR2004 - how many there are
    server = ThreadingHTTPServer((host, port), Webhook)
    print(f"listening on {server.server_address[1]}", flush=True)
    server.serve_forever()
