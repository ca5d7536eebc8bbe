"""The description of the HTTP interface, and the interface under requests that it allows, and that it does not."""

from typing import Any

import httpx
import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings

CASES = 2000


def test_every_path_is_described(client: TestClient) -> None:
    description = client.get("/api/openapi.json").json()
    assert description["openapi"].startswith("3.1")
    operations = [(path, method, each) for path, item in description["paths"].items() for method, each in item.items()]
    assert len(operations) > 20
    for path, method, each in operations:
        assert each["summary"] and each["description"], (path, method)
        refusals = {status for status in each["responses"] if status >= "4"}
        if method != "delete" and path not in ("/metrics", "/api/presets"):
            assert refusals, (path, method)
        for status in refusals:
            assert each["responses"][status]["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorBody")
    colorize = description["paths"]["/api/colorize"]["post"]
    sent = colorize["requestBody"]["content"]
    assert {"multipart/form-data", "application/json", "image/jpeg"} <= sent.keys()
    assert client.post("/api/colorize", json=sent["application/json"]["example"]).status_code == 200


def send(address: str, operations: list[Any], examples: int, ids: dict[str, str]) -> dict[int, int]:
    """Sends random requests of each operation -> how many answers had each status.

    Args:
        ids: Those of a photograph and of a job, which every other request is for, by the beginning of their paths.
    """
    statuses: dict[int, int] = {}
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case: Any) -> None:
            known = [id for start, id in ids.items() if case.path.startswith(start)]
            if known and case.method != "DELETE" and sum(statuses.values()) % 2:
                case.path_parameters["id"] = known[0]
            response = case.call(base_url=address.rstrip("/"), timeout=60)
            statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
            assert response.status_code < 500, (case.method, case.formatted_path, response.text)

        check()
    return statuses


@pytest.fixture(scope="module")
def operations(address: str) -> list[Any]:
    schema = schemathesis.openapi.from_url(f"{address}api/openapi.json")
    found = [result.ok() for result in schema.get_all_operations()]
    # Its answer may last as long as a job.
    return [each for each in found if not each.path.endswith("/events")]


# The server, in another thread of this process, may draw random numbers while Hypothesis draws a request.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@pytest.mark.slow
def test_two_thousand_random_requests(address: str, operations: list[Any], gray: bytes) -> None:
    with httpx.Client(base_url=address) as client:
        headers = {"Content-Type": "image/png"}
        ids = {
            f"/api/{kind}/{{id}}": client.post(f"/api/{kind}", content=gray, headers=headers).json()["id"]
            for kind in ("photographs", "jobs")
        }
    statuses = send(address, operations, -(-CASES // len(operations)) + 20, ids)
    print(statuses)
    assert sum(statuses.values()) >= CASES
    assert statuses.keys() >= {200, 404, 422}
