"""What a deployment decides about training sets; each choice is part of the tables' versions."""

from typing import Literal

import dagster as dg
import ibis
import ibis.expr.types as ir
from pydantic import Field

_DIGITS = 8


class SplitPolicy(dg.Config):
    """Which part of the training set a user belongs to."""

    policy: Literal["official", "by_user"] = Field(
        default="official",
        description="`official` keeps the vendor's train and test; `by_user` also holds a share of "
        "the users of train back for validation, each with all impressions.",
    )
    share: float = Field(
        default=0.05, gt=0, lt=1, description="Share of users held back, by `by_user`."
    )
    salt: str = Field(default="", description="Another salt holds other users back.")

    def part_of(self, split: ir.StringValue, user: ir.StringValue) -> ir.StringValue:
        """The part of a user: the same on every engine, because it is a digest of his name."""
        if self.policy == "official":
            return split
        drawn = ibis.literal(f"{self.salt}:").concat(user).hexdigest("md5").substr(0, _DIGITS)
        held_back = drawn < f"{round(self.share * 16**_DIGITS):0{_DIGITS}x}"
        return ibis.cases((held_back & (split == "train"), "validation"), else_=split)


class VocabularyConfig(dg.Config):
    """Which tokens get an index of their own."""

    min_count: int = Field(
        default=1,
        ge=1,
        description="Tokens that an id must have in the training part. An id that has an index "
        "keeps it, however rare it becomes.",
    )


class LabelPolicy(dg.Config):
    """What becomes of labels that contradict each other."""

    conversion_without_click: Literal["keep", "drop_conversion", "add_click"] = Field(
        default="keep",
        description="An impression that was bought and never clicked: `keep` both labels as they "
        "are delivered, `drop_conversion`, or `add_click`.",
    )

    def labels(self, click: ir.IntegerValue, bought: ir.IntegerValue) -> dict[str, ir.Value]:
        """Both labels by the name of their column."""
        if self.conversion_without_click == "drop_conversion":
            bought = ibis.least(bought, click)
        elif self.conversion_without_click == "add_click":
            click = ibis.greatest(bought, click)
        return {"click_label": click, "conversion_label": bought}
