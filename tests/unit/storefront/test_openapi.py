"""The services' OpenAPI documents are true: what they describe works as they say, and what they do not is refused."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gameday.storefront

from .conftest import play
from .stage import Stage, Visitor

SERVICES = ["catalog", "cart", "orders", "registry", "members", "mailer", "web"]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
FOR_PEOPLE = {"web": 2}
"""Routes that have nothing for programs: the forms of registries and of the club."""
#: So much for one service in `make test`; GAMEDAY_FUZZ_EXAMPLES=500 for more, GAMEDAY_FUZZ_SEED for others.
EXAMPLES, SEED, LIMIT_S = os.environ.get("GAMEDAY_FUZZ_EXAMPLES", "8"), os.environ.get("GAMEDAY_FUZZ_SEED", "1"), "10"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_keeps_to_its_document(stage: Stage, service: str, tmp_path: Path) -> None:
    """Sound and bent requests by the document: never a 500, only statuses, media types and bodies that it names."""
    url = stage.url(service)
    limit = LIMIT_S if "GAMEDAY_FUZZ_EXAMPLES" not in os.environ else "300"
    argv = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json", "--checks", CHECKS]
    argv += ["--phases", "fuzzing", "--max-examples", EXAMPLES, "--seed", SEED, "--max-time", limit, "--no-shrink"]
    argv += ["--header", "Accept: application/json"]  # web has pages as well
    argv += ["--generation-database", "none", "--suppress-health-check", "all", "--no-color", "--warnings", "off"]
    env = {**os.environ, "NO_PROXY": "*", "no_proxy": "*"}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "Test cases:" in done.stdout, done.stdout  # it did send something


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_is_described(stage: Stage, service: str) -> None:
    """Each path of the document answers something else than `no such path`, and there is a document."""

    async def scene(visit: Visitor) -> dict[str, list[str]]:
        reply = await visit("GET", f"{stage.url(service)}/openapi.json")
        assert (reply.status, reply.json["openapi"]) == (200, "3.0.3")
        return {path: list(methods) for path, methods in reply.json["paths"].items()}

    described = {(method.upper(), path) for path, methods in play(scene).items() for method in methods}
    root = Path(gameday.storefront.__file__).parent
    sources = [root / f"{service}.py"] if (root / f"{service}.py").exists() else (root / service).glob("*.py")
    routes = sum(len(re.findall(r"router\.add_(?:get|post|put)", source.read_text())) for source in sources)
    assert len(described) + FOR_PEOPLE.get(service, 0) == routes
