"""Start the stack, send a call through it and look that it arrives: `make smoke`.

Needs Docker with Compose. Makes the secrets that are missing, leaves the volumes as they are, and
stops the stack at the end unless it is told `--keep`. Exit code 1 with the service's name if a
service does not get ready or the call is not found.
"""

import argparse
import json
import re
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECRETS = ROOT / "secrets"
READY_LIMIT_S = 180
POLL_S = 2.0
KEY = re.compile(r"\bgs_\w+")

READY = {
    "prometheus": "http://127.0.0.1:9090/-/ready",
    "alertmanager": "http://127.0.0.1:9093/-/ready",
    "grafana": "http://127.0.0.1:3000/api/health",
    "api": "http://127.0.0.1:8000/readyz",
}


def main() -> int:
    """Run it and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the stack running")
    keep = parser.parse_args().keep
    make_secrets(SECRETS, secret_names((ROOT / "docker-compose.yml").read_text()))
    try:
        compose("up", "--detach", "--build", "grants", "otel-collector")
        compose("up", "--detach", "--wait", "collector")
        key = make_key()
        compose("up", "--detach")
        for service, url in READY.items():
            wait_for(service, url)
        trace_id = secrets.token_hex(16)
        post("http://127.0.0.1:4318/v1/traces", a_call(trace_id, time.time_ns()))
        find(trace_id, key)
    except (subprocess.CalledProcessError, TimeoutError, LookupError, OSError) as error:
        sys.stderr.write(f"smoke: {error}\n")
        return 1
    finally:
        if not keep:
            compose("down")
    sys.stdout.write("A call went in as OTLP and came out of the API.\n")
    return 0


def secret_names(compose_file: str) -> list[str]:
    """Return the names of the secrets' files."""
    return re.findall(r"file: \./secrets/(\w+)", compose_file)


def make_secrets(folder: Path, names: list[str]) -> None:
    """Write the passwords that are missing; others keep theirs.

    Containers run as users of their own, so the files are readable; the folder is not.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in names:
        path = folder / name
        if not path.exists():
            path.write_text(secrets.token_hex(24))
            path.chmod(0o444)


def compose(*arguments: str) -> str:
    """Run Compose and return what it prints."""
    command = ["docker", "compose", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def make_key() -> str:
    """Create an API key that may read calls."""
    wanted = ["keys", "create", "--tenant", "default", "--scope", "logs:read"]
    printed = compose("run", "--rm", "--no-TTY", "--no-deps", "migrate", "goldseam", *wanted)
    found = KEY.search(printed)
    if found is None:
        raise LookupError("`goldseam keys create` printed no key")
    return found[0]


def wait_for(service: str, url: str) -> None:
    """Ask until the service answers with 200."""
    end = time.monotonic() + READY_LIMIT_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(POLL_S)
    raise TimeoutError(f"{service} did not answer at {url}: docker compose logs {service}")


def a_call(trace_id: str, now_ns: int) -> bytes:
    """Return a chat call of half a second as OTLP in JSON."""
    words = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
    words |= {"gen_ai.request.model": "gpt-4o-mini", "gen_ai.response.model": "gpt-4o-mini"}
    span = {
        "traceId": trace_id,
        "spanId": trace_id[:16],
        "name": "chat gpt-4o-mini",
        "kind": 3,
        "startTimeUnixNano": str(now_ns - 500_000_000),
        "endTimeUnixNano": str(now_ns),
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in words.items()],
    }
    body = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "smoke"}, "spans": [span]}]}]}
    return json.dumps(body).encode()


def post(url: str, body: bytes) -> None:
    """Send a body as JSON.

    Raises:
        OSError: It was not accepted.
    """
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=15) as answer:
        answer.read()


def find(trace_id: str, key: str) -> None:
    """Look for the call among the recent ones.

    Raises:
        LookupError: It is not there, although it was acknowledged.
    """
    url = "http://127.0.0.1:8000/api/v1/ai/logs/recent?limit=50"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=15) as answer:
        if trace_id not in answer.read().decode():
            raise LookupError("the call was acknowledged and is not among the recent ones")


if __name__ == "__main__":
    sys.exit(main())
