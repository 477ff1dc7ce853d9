"""Config of an asset: what a deployment declares, and what a run's own config adds to it.

A deployment declares config for an asset, or for one of its partitions. A run may bring config of
its own, which the partition's record remembers. So whoever materialises the partition next uses the
same config, whether it is a person, a sensor or a backfill.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import dagster as dg
from pydantic import ValidationError, create_model
from pydantic.fields import FieldInfo

from pipeline_assets.dataset.values.texts import did_you_mean

Fields: TypeAlias = Mapping[str, Any]
"""Values of some fields of a config class, as JSON values."""


@dataclass(frozen=True)
class DeclaredConfig:
    """The config of one asset in one deployment.

    Attributes:
        fields: For all its partitions.
        partitions: What differs for a partition, by its key.
    """

    fields: Fields = field(default_factory=dict)
    partitions: Mapping[str, Fields] = field(default_factory=dict)

    def of(self, key: str) -> dict[str, Any]:
        """The declared fields of one partition."""
        return {**self.fields, **self.partitions.get(key, {})}


def plain(config: dg.Config) -> dict[str, Any]:
    """A config as JSON values."""
    fields: dict[str, Any] = config.model_dump(mode="json")
    return fields


def problem_of(config_type: type[dg.Config], fields: Fields) -> str | None:
    """What is wrong with some fields of a config, in one line; None if nothing is."""
    known = config_type.model_fields
    for name in (name for name in fields if name not in known):
        return f"there is no `{name}`; {did_you_mean(str(name), known)}"
    try:
        config_type(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return f"`{where}`: {first['msg']}, not {first['input']!r}"
    return None


def with_defaults(config_type: type[dg.Config], fields: Fields) -> type[dg.Config]:
    """A config class whose defaults are what is declared, so that a launchpad shows them."""
    known = {name: config_type.model_fields[name] for name in fields}
    declared = {
        name: (it.annotation, FieldInfo.merge_field_infos(it, default=fields[name]))
        for name, it in known.items()
    }
    made: type[dg.Config] = create_model(  # type: ignore[call-overload]
        config_type.__name__, __base__=config_type, __doc__=config_type.__doc__, **declared
    )
    return made


def changes(
    config_type: type[dg.Config], before: Fields, after: Fields
) -> dict[str, tuple[Any, Any]]:
    """The fields that differ, each with its value before and after.

    A field that was added to the class since had its default before. A field that was removed from
    it is left out: the code is another one, and says so itself.
    """
    defaults = {name: it.get_default() for name, it in config_type.model_fields.items()}
    pairs = {name: (before.get(name, defaults.get(name)), after[name]) for name in after}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
