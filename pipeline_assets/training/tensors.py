"""The resident users as tensors: they stay where a model computes, and rows are taken there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline_assets.training.batch import Ragged, require_torch

if TYPE_CHECKING:
    import torch

    Tokens = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class ResidentTensors:
    """Features of users on a device, by field: ids, weights and offsets."""

    fields: "Mapping[str, Tokens]"

    @classmethod
    def of(cls, fields: Mapping[str, Ragged], device: str = "cpu") -> "ResidentTensors":
        """What :meth:`Columns.resident` gives, copied to a device once.

        Raises:
            PipelineError: torch is not installed.
        """
        require_torch()
        import torch

        return cls(
            {
                name: tuple(
                    torch.as_tensor(part, device=device)
                    for part in (it.ids, it.weights, it.offsets)
                )
                for name, it in fields.items()
            }
        )

    def take(self, rows: "torch.Tensor") -> "dict[str, Tokens]":
        """The tokens of some rows, in that order, for EmbeddingBag with ``include_last_offset``."""
        return {name: _taken(*field, rows.long()) for name, field in self.fields.items()}


def _taken(
    ids: "torch.Tensor", weights: "torch.Tensor", offsets: "torch.Tensor", rows: "torch.Tensor"
) -> "Tokens":
    import torch

    starts = offsets[rows]
    lengths = offsets[rows + 1] - starts
    ends = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
    places = torch.repeat_interleave(starts - ends[:-1], lengths)
    places += torch.arange(len(places), device=places.device)
    return ids[places], weights[places], ends
