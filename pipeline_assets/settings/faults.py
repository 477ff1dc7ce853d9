"""What is said of a setting that is unknown or unusable: a line that names it, never its value."""

from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from pipeline_assets.dataset.values.texts import nearest
from pipeline_assets.errors import PipelineError


def refuse_unknown_names(names: Iterable[str], fields: Sequence[str], prefix: str) -> None:
    """Check that every variable with our prefix is a setting.

    Args:
        names: Variables of the environment.
        fields: The settings.
        prefix: What the variable of every setting begins with.

    Raises:
        PipelineError: One is not; the message proposes a similar name.
    """
    known = [name.upper() for name in fields]
    given = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    for name in (name for name in given if name not in known):
        close = nearest(name, known)
        all_names = ", ".join(prefix + each for each in known)
        hint = f"did you mean {prefix}{close}?" if close else f"known: {all_names}"
        raise PipelineError(f"Unknown setting {prefix}{name}; {hint}")


def one_line(error: ValidationError, prefix: str) -> str:
    """The first of pydantic's findings, without the value, which may be a password."""
    first = error.errors()[0]
    name = prefix + str(first["loc"][0]).upper() if first["loc"] else prefix + "…"
    return f"Setting {name}: {first['msg']}"
