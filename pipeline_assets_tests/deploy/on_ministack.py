"""Creates the stacks on ministack, a stand-in for AWS that knows most of what they hold.

``make deploy-check`` starts it and runs this module with its URL. What ministack does not know is
left out of a template, and so is what needs it. The roles that it has created are compared with
what :class:`~pipeline_assets_tests.deploy.templates.Stacks` makes of the same templates, because
the permissions test relies on that.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import boto3
import click

from pipeline_assets_tests.deploy.templates import ORDER, Stacks, template

REGION: Final = "eu-west-1"
ACCOUNT: Final = "000000000000"
APPLICATION: Final = "00example"
UNKNOWN: Final = {
    "AWS::Backup::BackupSelection",
    "AWS::Budgets::Budget",
    "AWS::CloudTrail::Trail",
    "AWS::EC2::EIP",
    "AWS::EC2::NatGateway",
    "AWS::EMRServerless::Application",
}
NEEDS: Final = {"network": {"PrivateDefault"}}
"""Resources that refer to one that ministack does not know."""
ROLES: Final = {
    "JobRole": ("prod-job-eu-west-1", "lake"),
    "DagsterRole": ("prod-dagster-eu-west-1", "pipeline"),
}


def known(stack: str) -> dict[str, Any]:
    """A template without what ministack does not know; the id of an application is fixed."""
    text = json.dumps(template(stack))
    text = text.replace('{"Ref": "Application"}', f'"{APPLICATION}"')
    whole: dict[str, Any] = json.loads(text)
    whole["Resources"] = {
        name: each
        for name, each in whole["Resources"].items()
        if each["Type"] not in UNKNOWN and name not in NEEDS.get(stack, ())
    }
    return whole


def parameters(stack: str, outputs: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What a person would have to give."""
    if stack == "alerts":
        return {"AlertEmail": "you@example.com"}
    if stack == "api":
        return {"ImageUri": "example/pipeline:1-api", "ApiTokens": "{}"}
    if stack == "services":
        certificate = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1"
        own = {"ImageUri": "example/pipeline:1", "DomainName": "dagster.example.com"}
        return {**outputs["network"], **own, "CertificateArn": certificate}
    return {}


def create(formation: Any, stack: str, given: Mapping[str, str]) -> dict[str, str]:  # noqa: ANN401
    """Create a stack and wait for it; returns its outputs.

    Raises:
        SystemExit: It could not be created.
    """
    formation.create_stack(
        StackName=f"prod-{stack}",
        TemplateBody=json.dumps(known(stack)),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
    )
    while True:
        (described,) = formation.describe_stacks(StackName=f"prod-{stack}")["Stacks"]
        if not described["StackStatus"].endswith("IN_PROGRESS"):
            break
        time.sleep(0.2)
    events = formation.describe_stack_events(StackName=f"prod-{stack}")["StackEvents"]
    failed = [each for each in events if each["ResourceStatus"].endswith("FAILED")]
    if described["StackStatus"] != "CREATE_COMPLETE":
        reasons = [f"{it['LogicalResourceId']}: {it.get('ResourceStatusReason')}" for it in failed]
        raise SystemExit(f"{stack}: {described['StackStatus']}: {'; '.join(reasons)}")
    return {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}


def compare_roles(iam: Any) -> None:  # noqa: ANN401 - boto3 makes clients at run time
    """Compare the roles that were created with what the permissions test makes of the templates."""
    aliases = client("kms", iam.meta.endpoint_url).list_aliases()["Aliases"]
    (key,) = (it["TargetKeyId"] for it in aliases if it["AliasName"] == "alias/prod-lake")
    for role, (name, policy) in ROLES.items():
        created = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        ours = json.dumps(Stacks(ACCOUNT, REGION, APPLICATION).policy(role)["Statement"])
        expected = json.loads(ours.replace(":key/Key", f":key/{key}"))
        if created["Statement"] != expected:
            raise SystemExit(f"{role}: ministack made {json.dumps(created)}, not {expected}")


def client(service: str, url: str) -> Any:  # noqa: ANN401 - boto3 makes clients at run time
    """A client of ministack."""
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, endpoint_url=url, region_name=REGION, **keys)  # type: ignore[call-overload]


def main(url: str) -> None:
    """Create all stacks."""
    formation = client("cloudformation", url)
    outputs: dict[str, dict[str, str]] = {}
    for stack in ORDER:
        outputs[stack] = create(formation, stack, parameters(stack, outputs))
        created = len(known(stack)["Resources"])
        click.echo(f"{stack}: {created} of {len(template(stack)['Resources'])} resources created")
    compare_roles(client("iam", url))
    click.echo("the roles are those that the permissions test looks at")


if __name__ == "__main__":
    main(sys.argv[1])
