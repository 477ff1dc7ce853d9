"""The CloudFormation templates: they are sound, fit together, and allow no more than needed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline_assets.definitions import DATASETS
from pipeline_assets.settings import PREFIX, Settings
from pipeline_assets_tests.deploy.page import PAGE, page
from pipeline_assets_tests.deploy.templates import FOLDER, ORDER, Stacks, template

NAMESPACES = sorted({asset.table.namespace for asset in DATASETS.assets} | {"lake"})
ROOT = Path(__file__).parents[2]
SETTING = re.compile(rf"{PREFIX}([A-Z0-9_]+)")


def actions(role: str) -> set[str]:
    found = [statement["Action"] for statement in Stacks().policy(role)["Statement"]]
    return {action for each in found for action in ([each] if isinstance(each, str) else each)}


def imports(stack: str) -> set[str]:
    text = (FOLDER / f"{stack}.yaml").read_text()
    return set(re.findall(r"!ImportValue\n\s+Fn::Sub: \"(\S+)\"", text))


def exports(stack: str) -> set[str]:
    outputs = template(stack).get("Outputs", {}).values()
    return {each["Export"]["Name"]["Fn::Sub"] for each in outputs if "Export" in each}


def test_every_template_has_its_place_in_the_order() -> None:
    found = {path.stem for path in FOLDER.glob("*.yaml")} - {"checkov", "workspace", "compose"}
    assert found == set(ORDER)


def test_cfn_lint_accepts_every_template() -> None:
    lint = Path(sys.executable).with_name("cfn-lint")
    files = [str(FOLDER / f"{stack}.yaml") for stack in ORDER]
    told = subprocess.run([lint, *files], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (0, "")


def test_a_stack_needs_only_stacks_before_it() -> None:
    known: set[str] = set()
    for stack in ORDER:
        assert imports(stack) <= known, stack
        known |= exports(stack)


def test_nothing_is_exported_that_nobody_imports() -> None:
    imported = set().union(*map(imports, ORDER))
    assert set().union(*map(exports, ORDER)) == imported


@pytest.mark.parametrize("stack", ORDER)
def test_cloudformation_can_read_the_template(stack: str) -> None:
    """It reads neither aliases nor more than 51,200 bytes in a request."""
    text = (FOLDER / f"{stack}.yaml").read_text()
    assert not re.search(r"(: |- )[&*][a-z]", text)
    assert len(text.encode()) < 51_200


@pytest.mark.parametrize("stack", ORDER)
def test_every_parameter_says_what_it_is(stack: str) -> None:
    for name, parameter in template(stack)["Parameters"].items():
        assert parameter["Description"].endswith("."), name


@pytest.mark.parametrize("file", ["compose.yaml", *(f"deploy/{stack}.yaml" for stack in ORDER)])
def test_the_settings_of_containers_exist(file: str) -> None:
    known = {name.upper() for name in Settings.model_fields}
    assert set(SETTING.findall((ROOT / file).read_text())) <= known


def test_what_the_image_copies_is_not_ignored() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    for name in {word for line in copied for word in line.split()}:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in sent, name


def test_the_containers_of_compose_share_what_run_monitoring_looks_at() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for name in ("daemon", "web"):
        assert services[name]["network_mode"] == services[name]["pid"] == "service:code"
        assert services[name]["read_only"]


def test_every_container_gets_the_same_settings() -> None:
    containers = template("services")["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
    first, *others = ([each["Environment"], each["Secrets"]] for each in containers)
    assert all(other == first for other in others)
    assert all(each["ReadonlyRootFilesystem"] for each in containers)


@pytest.mark.parametrize(
    "kind", ["AWS::S3::Bucket", "AWS::KMS::Key", "AWS::Glue::Database", "AWS::DynamoDB::Table"]
)
def test_what_holds_data_stays_when_its_stack_is_deleted(kind: str) -> None:
    resources = [each for stack in ORDER for each in template(stack)["Resources"].values()]
    found = [each for each in resources if each["Type"] == kind]
    assert found
    for each in found:
        assert each["DeletionPolicy"] == each["UpdateReplacePolicy"] == "Retain"


def test_no_rule_removes_current_objects_of_tables() -> None:
    bucket = template("storage")["Resources"]["LakeBucket"]["Properties"]
    rules = bucket["LifecycleConfiguration"]["Rules"]
    ended = [rule["Prefix"] for rule in rules if "ExpirationInDays" in rule]
    assert ended == ["lake/_jobs/jobs/", "logs/", "athena/"]


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_every_domain_has_its_database(namespace: str) -> None:
    databases = template("catalog")["Resources"].values()
    names = {it["Properties"].get("DatabaseInput", {}).get("Name") for it in databases}
    assert namespace in names
    for role in ("DagsterRole", "ReaderRole", "ApiRole"):
        policy = json.dumps(Stacks().policy(role))
        assert f":database/{namespace}" in policy
        assert f":table/{namespace}/*" in policy


def test_nothing_is_allowed_that_is_not_needed() -> None:
    assert {action.partition(":")[0] for action in actions("JobRole")} == {"s3", "kms"}
    for role in ("JobRole", "DagsterRole", "ReaderRole", "ApiRole"):
        assert not any(action.endswith("*") for action in actions(role))
        for statement in Stacks().policy(role)["Statement"]:
            assert statement["Resource"] != "*" or statement["Sid"] in {
                "FindClusters",  # AWS knows no narrower resource for it
                "ClustersForOneJob",  # narrowed by the tag it has to set
            }


def test_whoever_reads_changes_nothing_of_the_lake() -> None:
    changes = re.compile(r":(Put|Delete|Create|Update|Abort)")
    for role in ("ReaderRole", "ApiRole"):
        for statement in Stacks().policy(role)["Statement"]:
            if any(changes.search(action) for action in statement["Action"]):
                assert statement["Sid"] in {"ResultsOfQueries", "WriteOwnLogs"}


def test_all_that_the_services_are_asked_is_allowed() -> None:
    """The calls that our clients make, in IAM's words."""
    asked = {
        "elasticmapreduce": Path("spark_resources/runners/emr.py"),
        "emr-serverless": Path("spark_resources/runners/emr_serverless.py"),
    }
    for service, module in asked.items():
        source = (ROOT / module).read_text(encoding="utf-8")
        calls = set(re.findall(r"self\.(?:emr|client)\.([a-z_]+)\(", source)) - {"get_paginator"}
        calls |= set(re.findall(r"get_paginator\(\"([a-z_]+)\"\)", source))
        assert calls
        for call in calls:
            assert f"{service}:{call.title().replace('_', '')}" in actions("DagsterRole"), call


CHOICES = {
    "ReadTheStream": ("kinesis", ["pipeline_assets/streams/kinesis.py"]),
    "ComputeOnAthena": (
        "athena",
        ["pipeline_assets/engines/athena/queries.py"],
    ),
    "LoadRedshift": ("redshift-data", ["pipeline_assets/warehouses/redshift/data_api.py"]),
    "AskComprehend": ("comprehend", ["pipeline_assets/learning/comprehend.py"]),
    "PublishByKey": ("dynamodb", ["pipeline_assets/keys/client.py"]),
}


@pytest.mark.parametrize("policy", CHOICES)
def test_all_that_a_chosen_service_is_asked_is_allowed(policy: str) -> None:
    service, modules = CHOICES[policy]
    statements = Stacks().chosen(policy)["Statement"]
    found = [each["Action"] for each in statements]
    allowed = {it for each in found for it in ([each] if isinstance(each, str) else each)}
    source = "".join((ROOT / module).read_text(encoding="utf-8") for module in modules)
    calls = set(re.findall(r"client\.([a-z_]+)\b", source)) - {
        "get_paginator",
        "exceptions",
        "meta",
    }
    calls |= set(re.findall(r"get_paginator\(\"([a-z_]+)\"\)", source))
    assert calls
    for call in calls:
        assert f"{service}:{call.title().replace('_', '')}" in allowed, call


def test_the_cluster_template_is_a_request_of_our_roles() -> None:
    output = template("spark")["Outputs"]["ClusterTemplate"]["Value"]
    request = json.loads(Stacks().resolved("spark", output))
    assert request["JobFlowRole"] == "prod-job-eu-west-1"
    assert request["ServiceRole"] == "prod-emr-service-eu-west-1"
    assert request["LogUri"] == "s3://prod-lake-111122223333-eu-west-1/logs/"


def test_the_page_of_the_stacks_is_current() -> None:
    assert PAGE.read_text() == page(), "run: make docs"
