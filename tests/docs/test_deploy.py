"""The files of docs/deploy: Kubernetes takes them, their parts fit, and their commands exist."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import kubernetes_validate
import pytest
import yaml

from stillwatch.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "docs" / "deploy"


def _load() -> ModuleType:
    """The check of the documents as a module: `tools` is no package."""
    name = "check_docs_for_deploy"
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / "check_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


check_docs = _load()


@pytest.fixture(scope="module")
def resources() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))


def _pods(resources: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each template of a pod: its metadata and its spec."""
    for resource in resources:
        spec = resource["spec"]
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if template := spec.get("template"):
            yield template.get("metadata", {}), template["spec"]


@pytest.mark.parametrize("version", ["1.29", "1.33", kubernetes_validate.latest_version()])
def test_kubernetes_takes_every_resource(resources: list[dict[str, Any]], version: str) -> None:
    """By its own schema, and no field is unknown to it."""
    assert [resource["kind"] for resource in resources] == [
        *("PersistentVolumeClaim", "PersistentVolumeClaim", "Service"),
        *("Deployment", "CronJob", "CronJob"),
    ]
    for resource in resources:
        kubernetes_validate.validate(resource, version, strict=True)


def test_schema_would_find_a_slip(resources: list[dict[str, Any]]) -> None:
    """A field with a slip of the pen is no field."""
    broken = {**resources[0], "spec": {**resources[0]["spec"], "accesModes": []}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.33", strict=True)


def test_what_one_part_names_another_has(resources: list[dict[str, Any]]) -> None:
    """Claims, mounts, ports, and the labels by which a service and a job find the receiver."""
    claims = {r["metadata"]["name"] for r in resources if r["kind"] == "PersistentVolumeClaim"}
    receiver = next(meta["labels"] for meta, _ in _pods(resources) if "labels" in meta)
    service = next(r["spec"] for r in resources if r["kind"] == "Service")
    assert service["selector"].items() <= receiver.items()
    ports = [p["name"] for _, pod in _pods(resources) for c in pod["containers"]
             for p in c.get("ports", ())]  # fmt: skip
    assert [p["targetPort"] for p in service["ports"]] == ports == ["otlp-http"]
    for meta, pod in _pods(resources):
        volumes = {v["name"]: v for v in pod["volumes"]}
        named = {v["persistentVolumeClaim"]["claimName"] for v in volumes.values()
                 if "persistentVolumeClaim" in v}  # fmt: skip
        assert "stillwatch-lake" in named <= claims
        (container,) = pod["containers"]
        assert {m["name"] for m in container["volumeMounts"]} == set(volumes)
        if meta.get("labels") != receiver:
            (near,) = pod["affinity"]["podAffinity"][
                "requiredDuringSchedulingIgnoredDuringExecution"
            ]
            assert near["labelSelector"]["matchLabels"] == receiver


def _commands(resources: list[dict[str, Any]]) -> Iterator[list[str]]:
    for _, pod in _pods(resources):
        for container in pod["containers"]:
            words = [*container["command"], *container["args"]]
            if words[0] != "sh":
                yield words
                continue
            yield from filter(None, map(check_docs._words, words[-1].splitlines()))
    for unit in sorted(DEPLOY.glob("*.service")):
        for line in unit.read_text().splitlines():
            if line.startswith("ExecStart="):
                yield check_docs._words(line.removeprefix("ExecStart="))


def test_every_command_exists_with_its_options(resources: list[dict[str, Any]]) -> None:
    """In containers and in units; each is about the lake of the volume."""
    commands = list(_commands(resources))

    assert [" ".join(words[1:3]) for words in commands if "--older-than" in words] == [
        "lake forget"
    ] * 4
    assert {words[1] for words in commands} == {"receive", "lake", "scan", "backup"}
    for words in commands:
        assert list(check_docs._wrong_words(words, run, set())) == []
        assert any("/srv/stillwatch/lake" in word for word in words)


def test_timer_starts_the_service_of_its_name() -> None:
    """systemd pairs them by name."""
    assert {path.stem for path in DEPLOY.glob("*.timer")} == {
        path.stem for path in DEPLOY.glob("*.service")
    }
