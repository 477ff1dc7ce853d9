"""The CloudFormation templates of ``deploy/``, resolved as for one deployment."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from pipeline_assets_tests.aws.policies import Policy

FOLDER: Final = Path(__file__).parents[2] / "deploy"
ORDER: Final = (
    "storage",
    "landing",
    "alerts",
    "catalog",
    "spark",
    "roles",
    "choices",
    "image",
    "network",
    "services",
    "api",
    "watch",
)
"""A stack uses only what stacks before it export."""
Template: TypeAlias = Mapping[str, Any]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
    """Reads the short forms of CloudFormation's functions as their long forms."""


def _function(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_object(yaml.ScalarNode("tag:yaml.org,2002:str", node.value))
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _function)


@cache
def template(stack: str) -> Template:
    """A template, in long form."""
    loaded: Template = yaml.load((FOLDER / f"{stack}.yaml").read_text(), _Loader)
    return loaded


def defaults(stack: str) -> dict[str, str]:
    """The parameters of a template that have a default."""
    parameters = template(stack)["Parameters"]
    return {name: str(each["Default"]) for name, each in parameters.items() if "Default" in each}


@dataclass(frozen=True)
class Stacks:
    """All stacks, as CloudFormation would name what they create.

    Attributes:
        account: The number of the account.
        region: Its region.
        application: The id that EMR Serverless gives its application.
    """

    account: str = "111122223333"
    region: str = "eu-west-1"
    application: str = "00example"

    def policy(self, role: str) -> Policy:
        """All that a role allows: its own statements and those of our managed policies."""
        stack = next(each for each in ORDER if role in template(each)["Resources"])
        resources = template(stack)["Resources"]
        properties = resources[role]["Properties"]
        documents = [each["PolicyDocument"] for each in properties.get("Policies", [])]
        attached = [each.get("Ref") for each in properties.get("ManagedPolicyArns", [])]
        documents += [resources[name]["Properties"]["PolicyDocument"] for name in attached if name]
        statements = [each for document in documents for each in document["Statement"]]
        return {"Statement": self.resolved(stack, statements)}

    def chosen(self, name: str) -> Policy:
        """What a policy allows that Dagster's role has by choice."""
        document = template("choices")["Resources"][name]["Properties"]["PolicyDocument"]
        return {"Statement": self.resolved("choices", document["Statement"])}

    def resolved(self, stack: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        """A value of a template without functions."""
        if isinstance(value, list):
            return [self.resolved(stack, each) for each in value]
        if not isinstance(value, dict):
            return value
        if len(value) != 1 or next(iter(value)) not in {*_FUNCTIONS, "Ref"}:
            return {name: self.resolved(stack, each) for name, each in value.items()}
        ((function, argument),) = value.items()
        if function == "Ref":
            return self._ref(stack, argument)
        return getattr(self, _FUNCTIONS[function])(stack, argument)

    def _ref(self, stack: str, name: str) -> str:
        names = {
            "AWS::AccountId": self.account,
            "AWS::Region": self.region,
            "AWS::Partition": "aws",
            "Application": self.application,
            **defaults(stack),
        }
        return names[name] if name in names else self._name(stack, name)

    def _name(self, stack: str, resource: str) -> str:
        """What a reference to a resource is: the name that its template gives it, or its ARN."""
        described = template(stack)["Resources"][resource]
        if described["Type"] == "AWS::SNS::Topic":
            return self._arn(stack, [resource, "Arn"])
        named = [each for name, each in described["Properties"].items() if name.endswith("Name")]
        return str(self.resolved(stack, named[0])) if named else resource

    def _arn(self, stack: str, argument: list[str]) -> str:
        resource, attribute = argument
        if attribute != "Arn":
            return f"{self._name(stack, resource)}.{attribute}"
        kind = template(stack)["Resources"][resource]["Type"]
        named = template(stack)["Resources"][resource]["Properties"]
        own = next((each for key, each in named.items() if key.endswith("Name")), resource)
        return _ARNS[kind].format(
            region=self.region, account=self.account, name=self.resolved(stack, own)
        )

    def _sub(self, stack: str, argument: str | list[Any]) -> str:
        text, own = (argument, {}) if isinstance(argument, str) else argument

        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name in own:
                return str(self.resolved(stack, own[name]))
            if "." in name:
                return self._arn(stack, name.split(".", 1))
            return self._ref(stack, name)

        return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", value, text)

    def _import(self, stack: str, argument: Any) -> str:  # noqa: ANN401 - JSON
        wanted = self.resolved(stack, argument)
        return next(
            str(self.resolved(exporter, output["Value"]))
            for exporter, output in exported()
            if self.resolved(exporter, output["Export"]["Name"]) == wanted
        )


def exported() -> Iterator[tuple[str, Any]]:
    """Each output that a stack exports."""
    for stack in ORDER:
        for output in template(stack).get("Outputs", {}).values():
            if "Export" in output:
                yield stack, output


_FUNCTIONS: Final = {"Fn::Sub": "_sub", "Fn::GetAtt": "_arn", "Fn::ImportValue": "_import"}
_ARNS: Final = {
    "AWS::KMS::Key": "arn:aws:kms:{region}:{account}:key/{name}",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{name}",
    "AWS::SNS::Topic": "arn:aws:sns:{region}:{account}:{name}",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{name}",
}
