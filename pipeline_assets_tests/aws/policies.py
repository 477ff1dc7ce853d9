"""What an IAM policy allows, in as much of IAM's language as our policies use.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Policy: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Call:
    """One request for authorization, as an AWS service makes it.

    Attributes:
        principal: Who calls.
        action: ``service:Action``.
        resource: The ARN, or ``*`` where the service knows no narrower resource.
        context: Condition keys and their values.
    """

    principal: str
    action: str
    resource: str = "*"
    context: tuple[tuple[str, str], ...] = field(default=())


def allows(policy: Policy, call: Call) -> bool:
    """Whether some statement allows a call and no statement denies it."""
    effects = {each["Effect"] for each in policy["Statement"] if _applies(each, call)}
    return effects == {"Allow"}


def _applies(statement: Policy, call: Call) -> bool:
    context = dict(call.context)
    return (
        _matches_any(_listed(statement["Action"]), call.action)
        and _matches_any(_listed(statement["Resource"]), call.resource)
        and all(
            _OPERATORS[operator](_listed(wanted), context.get(key))
            for operator, conditions in statement.get("Condition", {}).items()
            for key, wanted in conditions.items()
        )
    )


def _matches_any(patterns: Sequence[str], text: str) -> bool:
    """A pattern's ``*`` is any text and its ``?`` any character; the rest stands for itself."""
    wild = {"*": ".*", "?": "."}
    words = ("".join(wild.get(c, re.escape(c)) for c in pattern) for pattern in patterns)
    return any(re.fullmatch(word, text, re.DOTALL) for word in words)


def _listed(one_or_more: str | Sequence[str]) -> Sequence[str]:
    return [one_or_more] if isinstance(one_or_more, str) else one_or_more


# A condition on a key that the request does not have is not met.
_OPERATORS: Final = {
    "StringEquals": lambda wanted, given: given in wanted,
    "StringLike": lambda wanted, given: given is not None and _matches_any(wanted, given),
}
