"""The web server of a running ``make up``, through its GraphQL interface."""

from collections.abc import Mapping
from typing import Any

import requests

from coin_assets.errors import ConfigurationError, TemporaryError

_SECONDS = 60.0
_LOCATIONS = """{ repositoriesOrError {
  ... on RepositoryConnection { nodes { name location { name } jobs { name } } }
  ... on PythonError { message }
} }"""
_LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename
  ... on LaunchRunSuccess { run { runId } }
  ... on RunConfigValidationInvalid { errors { message } }
  ... on Error { message }
} }"""


class WebUi:
    """One web server.

    Args:
        address: for example ``http://127.0.0.1:3000``.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy to this machine

    def launch(
        self,
        job: str,
        config: Mapping[str, Any],
        tags: Mapping[str, str],
        location: str | None = None,
    ) -> str:
        """Queue a run; returns its id.

        Args:
            location: name of the code location; None for any that has the job.

        Raises:
            ConfigurationError: the running code location does not know the job or the settings.
            TemporaryError: it does not answer.
        """
        repository, location = self._location_of(job, location)
        params = {
            "selector": {
                "repositoryName": repository,
                "repositoryLocationName": location,
                "jobName": job,
            },
            "runConfigData": config,
            "executionMetadata": {
                "tags": [{"key": name, "value": value} for name, value in tags.items()]
            },
        }
        answer = self._query(_LAUNCH, {"params": params})["launchRun"]
        if answer["__typename"] == "LaunchRunSuccess":
            run_id: str = answer["run"]["runId"]
            return run_id
        messages = [each["message"] for each in answer.get("errors", [answer])]
        text = " ".join(" ".join(messages).split())
        raise ConfigurationError(f"{job} was not launched: {text}")

    def page_of(self, run_id: str) -> str:
        """Address of the page of a run."""
        return f"{self._address}/runs/{run_id}"

    def _location_of(self, job: str, wanted: str | None) -> tuple[str, str]:
        """Names of the repository and the code location that have the job."""
        answer = self._query(_LOCATIONS, {})["repositoriesOrError"]
        for node in answer.get("nodes", []):
            is_wanted = wanted in (None, node["location"]["name"])
            if is_wanted and job in {each["name"] for each in node["jobs"]}:
                return node["name"], node["location"]["name"]
        where = "" if wanted is None else f" of {wanted}"
        raise TemporaryError(
            f"The make up at {self._address} has not loaded {job}{where}; see Deployment in its "
            "web UI, or try again in a minute if it has just started."
        )

    def _query(self, text: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        try:
            reply = self._session.post(
                f"{self._address}/graphql",
                json={"query": text, "variables": variables},
                timeout=_SECONDS,
            )
            answer = reply.json()
            data: dict[str, Any] | None = answer.get("data")
        except (requests.RequestException, ValueError) as error:
            raise TemporaryError(
                f"The web UI at {self._address} does not answer ({type(error).__name__}). If make "
                "up has just started, try again in a minute; else look at its log."
            ) from error
        if data is None or answer.get("errors"):
            raise TemporaryError(f"The web UI at {self._address} failed: {answer.get('errors')}")
        return data
