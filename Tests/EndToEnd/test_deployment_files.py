"""The files for Docker and Kubernetes, as far as they can be checked without either: they say that
they are untested, are well formed, agree with each other and with the program."""

import re

import pytest
import yaml
from programs import ROOT, run_steelyard

CONFIG = ROOT / "config"
DOCKERFILE = (CONFIG / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((CONFIG / "docker-compose.yml").read_text())
MANIFESTS = sorted((CONFIG / "kubernetes").glob("*.yaml"))
OBJECTS = [one for file in MANIFESTS for one in yaml.safe_load_all(file.read_text())]
FILE = "/etc/steelyard/steelyard.yaml"


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|m)", text).groups()
    return int(number) * (60 if unit == "m" else 1)


def of_kind(kind, name="steelyard"):
    found = [one for one in OBJECTS
             if one["kind"] == kind and one["metadata"]["name"] == name]
    assert len(found) == 1, f"{kind} {name}: {len(found)}"
    return found[0]


def pod():
    return of_kind("Deployment")["spec"]["template"]


def container():
    (one,) = pod()["spec"]["containers"]
    return one


@pytest.mark.parametrize(
    "file", [CONFIG / "Dockerfile", CONFIG / "docker-compose.yml", *MANIFESTS], ids=lambda f: f.name)
def test_what_could_not_be_run_says_so_in_its_first_line(file):
    assert file.read_text().startswith("# Untested: neither Docker nor Kubernetes could be run")


def test_the_embedded_configurations_pass_the_check(tmp_path):
    inside = of_kind("ConfigMap")["data"]["steelyard.yaml"]
    file = tmp_path / "configmap.yaml"
    file.write_text(inside)
    for path in (file, CONFIG / "compose/steelyard.yaml", CONFIG / "debian/steelyard.yaml"):
        done = run_steelyard("check", path)
        assert done.returncode == 0, done.stderr


def test_each_example_says_which_thresholds_its_pools_have():
    files = [CONFIG / "example.yaml", CONFIG / "node-exporter.yaml", CONFIG / "compose/steelyard.yaml",
             CONFIG / "debian/steelyard.yaml",
             *[one for one in CONFIG.glob("examples/*.yaml") if ".envoy" not in one.name]]
    configurations = [(file.name, yaml.safe_load(file.read_text())) for file in files]
    configurations.append(
        ("kubernetes", yaml.safe_load(of_kind("ConfigMap")["data"]["steelyard.yaml"])))
    pools = [(name, pool) for name, one in configurations for pool in one["pools"].values()]
    assert len(pools) > 10
    for name, pool in pools:
        said = pool.get("thresholds")
        assert said in ("learned", "web") or "profile" in (said or {}), name
    # The least that starts says it in words.
    assert "thresholds: learned" in (CONFIG / "minimal.yaml").read_text()


def test_the_image_has_the_program_where_everybody_looks_for_it():
    assert 'ENTRYPOINT ["/usr/bin/steelyard"]' in DOCKERFILE
    assert re.search(r"^COPY --from=build \S+/release/steelyard /usr/bin/steelyard$", DOCKERFILE, re.M)
    assert f'CMD ["serve", "{FILE}"]' in DOCKERFILE
    user, group = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.M).groups()
    context = pod()["spec"]["securityContext"]
    assert [context["runAsUser"], context["runAsGroup"]] == [int(user), int(group)]
    assert f"--uid {user} " in DOCKERFILE
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M):
        for name in source.split():
            assert (ROOT / name).exists(), name
    wanted = re.search(r"swift-tools-version: ([\d.]+)", (ROOT / "Package.swift").read_text())
    assert f"FROM swift:{wanted.group(1)}-" in DOCKERFILE


def test_compose_names_images_files_and_time_that_are_there():
    service = COMPOSE["services"]["steelyard"]
    assert (CONFIG / service["build"]["context"] / service["build"]["dockerfile"]).samefile(
        CONFIG / "Dockerfile")
    assert seconds(service["stop_grace_period"]) > 30
    configuration = yaml.safe_load((CONFIG / "compose/steelyard.yaml").read_text())
    for endpoint in configuration["pools"]["inference"]["endpoints"]:
        assert endpoint.split(":")[0] in COMPOSE["services"]
    for name, one in COMPOSE["services"].items():
        for volume in one.get("volumes", []):
            source, target = volume.split(":")[:2]
            if not source.startswith("."):
                assert source in COMPOSE["volumes"]
            elif source in ("./prometheus", "../dashboards"):
                assert target.startswith("/"), volume
            else:
                assert (CONFIG / source).is_file(), f"{name}: {volume}"
    targets = yaml.safe_load((CONFIG / "compose/prometheus.yml").read_text())
    (scrape,) = targets["scrape_configs"]
    assert scrape["static_configs"][0]["targets"] == ["steelyard:9900"]
    assert configuration["admin"]["listen"].endswith(":9900")


def test_ports_probes_and_paths_of_the_pod_are_those_of_the_configuration():
    configuration = yaml.safe_load(of_kind("ConfigMap")["data"]["steelyard.yaml"])
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert configuration["admin"]["listen"].endswith(f":{ports['admin']}")
    assert configuration["listeners"][0]["listen"].endswith(f":{ports['http']}")
    assert pod()["metadata"]["annotations"]["prometheus.io/port"] == str(ports["admin"])
    for probe, path in [("startupProbe", "/readyz"), ("readinessProbe", "/readyz"),
                        ("livenessProbe", "/healthz")]:
        assert container()[probe]["httpGet"] == {"path": path, "port": "admin"}
    assert container()["args"] == ["serve", FILE]
    (mount,) = container()["volumeMounts"]
    assert FILE == f"{mount['mountPath']}/steelyard.yaml"
    (volume,) = pod()["spec"]["volumes"]
    assert volume == {"name": mount["name"], "configMap": {"name": "steelyard"}}


def test_the_pod_may_end_gracefully_before_it_is_killed():
    configuration = yaml.safe_load(of_kind("ConfigMap")["data"]["steelyard.yaml"])
    pause = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    needed = pause + seconds(configuration["shutdown_timeout"])
    assert pod()["spec"]["terminationGracePeriodSeconds"] > needed


def test_selectors_find_what_they_are_for():
    labels = pod()["metadata"]["labels"].items()
    for selector in [
            of_kind("Deployment")["spec"]["selector"]["matchLabels"],
            of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
            of_kind("Service")["spec"]["selector"],
            of_kind("Service", "steelyard-admin")["spec"]["selector"]]:
        assert selector.items() <= labels
    monitor = of_kind("ServiceMonitor")["spec"]
    admin = of_kind("Service", "steelyard-admin")
    assert monitor["selector"]["matchLabels"].items() <= admin["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == admin["spec"]["ports"][0]["name"]
    inference = of_kind("Service", "inference")
    assert inference["spec"]["clusterIP"] == "None"
    (endpoint,) = yaml.safe_load(
        of_kind("ConfigMap")["data"]["steelyard.yaml"])["pools"]["inference"]["endpoints"]
    name, space, port = re.fullmatch(r"(\w+)\.(\w+)\.svc\.cluster\.local:(\d+)", endpoint).groups()
    assert [name, space] == [inference["metadata"]["name"], inference["metadata"]["namespace"]]
    assert int(port) == inference["spec"]["ports"][0]["port"]


def test_the_pod_has_no_rights_that_it_does_not_need():
    context = container()["securityContext"]
    assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert pod()["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod()["spec"]["automountServiceAccountToken"] is False
