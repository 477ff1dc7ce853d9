"""The files of a domain that reads what a user delivers, written from templates."""

from collections.abc import Mapping
from importlib.resources import files
from string import Template
from typing import Final

from pipeline_assets.command.projects.inference import Inferred
from pipeline_assets.landing.typed_text import TextKind

_TYPES: Final[Mapping[TextKind, str]] = {
    "text": "String",
    "whole": "Long",
    "number": "Double",
    "truth": "Boolean",
    "date": "Date",
    "moment": "Timestamp",
}
_EXAMPLES: Final[Mapping[TextKind, str]] = {
    "text": "word",
    "whole": "7",
    "number": "0.5",
    "truth": "true",
    "date": "2026-01-31",
    "moment": "2026-01-31 12:00:00",
}


def rendered(template: str, **values: str) -> str:
    """A template of this package with its values filled in."""
    text = files(__package__).joinpath("templates", f"{template}.tmpl").read_text(encoding="utf-8")
    return Template(text).substitute(values)


def domain_files(domain: str, package: str, inferred: Inferred) -> dict[str, str]:
    """The modules of a domain and its test: path below the project to text."""
    kinds, format_ = inferred.kinds, inferred.records.format
    values = {
        "domain": domain,
        "package": package,
        "format": format_,
        "types": ", ".join(sorted({"String", *(_TYPES[kind] for kind in kinds.values())})),
        "raw_columns": "\n".join(_raw_column(name) for name in kinds),
        "columns": "\n".join(_column(name, inferred) for name in kinds),
        "fields": _mapping(inferred.records.fields),
        "kinds": _mapping(kinds),
        "required": _tuple(inferred.required),
        "sound": _mapping({name: _EXAMPLES[kind] for name, kind in kinds.items()}, ""),
        "test_rejected": _rejection(inferred),
    }
    return {
        f"{package}/{domain}/__init__.py": f'"""The files that `{domain}/` delivers."""\n',
        f"{package}/{domain}/contracts.py": rendered("contracts.py", **values),
        f"{package}/{domain}/assets.py": rendered("assets.py", **values),
        f"tests/test_{domain}.py": rendered("test_domain.py", **values),
    }


def _raw_column(name: str) -> str:
    return f'    {name}: String = Field(nullable=True, description="As delivered.")'


def _column(name: str, inferred: Inferred) -> str:
    nullable = "" if name in inferred.required else "nullable=True, "
    described = f'description="Field `{inferred.records.fields[name]}` of the file."'
    return f"    {name}: {_TYPES[inferred.kinds[name]]} = Field({nullable}{described})"


def _mapping(values: Mapping[str, str], indent: str = "    ") -> str:
    items = "".join(f'{indent}    "{it}": {_quoted(of)},\n' for it, of in values.items())
    return f"{{\n{items}{indent}}}"


def _tuple(names: tuple[str, ...]) -> str:
    return "(" + "".join(f'\n        "{name}",' for name in names) + ("\n    )" if names else ")")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _rejection(inferred: Inferred) -> str:
    """A test of a record that is rejected, if a column can reject one."""
    typed = [name for name, kind in inferred.kinds.items() if kind != "text"]
    if typed:
        return rendered("test_rejected.py", column=typed[0], text="?", reason=f"bad_{typed[0]}")
    for name in inferred.required[:1]:
        return rendered("test_rejected.py", column=name, text="", reason=f"missing_{name}")
    return ""
