"""ESMM on a release: clicks and conversions of Ali-CCP, with users that stay on the device."""

from pathlib import Path

import click
import numpy as np
import torch
from torch.nn import EmbeddingBag, Linear, Module, ModuleDict, ReLU, Sequential

from pipeline_assets import open_lake
from pipeline_assets.reading.release import open_release
from pipeline_assets.training import Reader, ResidentTensors, prepare

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DIMENSIONS, BATCH_ROWS, EPOCHS, CACHE = 8, 512, 4, Path("training_cache")
FIELDS = ("f206", "f210", "f121", "f109_14")  # some of 23, for a minute on a CPU
TABLES, LABELS = ("impressions", "users"), ("click_label", "conversion_label")


class Esmm(Module):
    def __init__(self, sizes: dict[str, int]) -> None:
        super().__init__()
        how = {"mode": "sum", "include_last_offset": True, "padding_idx": 0}
        bags = {name: EmbeddingBag(size, DIMENSIONS, **how) for name, size in sizes.items()}
        self.bags, width = ModuleDict(bags), DIMENSIONS * len(bags)
        self.click = Sequential(Linear(width, 32), ReLU(), Linear(32, 1))
        self.conversion = Sequential(Linear(width, 32), ReLU(), Linear(32, 1))

    def forward(self, fields):
        pooled = []
        for name, bag in self.bags.items():
            ids, weights, offsets = fields[name]
            pooled.append(bag(ids, offsets, weights) / offsets.diff().clamp(min=1).sqrt()[:, None])
        together = torch.cat(pooled, 1)
        clicked = self.click(together).sigmoid()
        return torch.cat([clicked, clicked * self.conversion(together).sigmoid()], 1).T


def batches(lake, release, split: str, last_only: bool, epochs: int):
    rows, users = (release.table(lake, f"taobao.encoded_{it}", partition=split) for it in TABLES)
    order, where = ["user_row", "sample_id"], {"part": split}
    reader = Reader(prepare(rows, CACHE, order_by=order, where=where), BATCH_ROWS, "rows", seed=1)
    fields = prepare(users, CACHE, order_by=["user_row"]).resident()

    def chosen(given):
        own = {name: given[name] for name in FIELDS if name in given}
        return {name: it.last() for name, it in own.items()} if last_only else own

    resident = ResidentTensors.of(chosen(fields), DEVICE)
    for batch in (batch for _ in range(epochs) for batch in reader):
        found = type(batch)(batch.keys, chosen(batch.fields)).to_torch(DEVICE)
        labels = torch.stack([found[name].float() for name in LABELS])
        yield labels, found | resident.take(found["user_row"])


def auc(labels, scores) -> float:
    places = np.flatnonzero(labels[scores.argsort(kind="stable")] == 1)
    return (places.mean() - (len(places) - 1) / 2) / (len(labels) - len(places))


@click.command()
@click.argument("lake_uri")
@click.argument("name")
@click.option("--last-only", is_flag=True, help="Keep the last value of each field, unweighted.")
def main(lake_uri: str, name: str, last_only: bool) -> None:
    torch.manual_seed(1)
    with open_lake(lake_uri) as lake, torch.device(DEVICE):
        release = open_release(lake, name)
        known = release.table(lake, "taobao.vocabulary").to_arrow().group_by("feature_name")
        sizes = known.aggregate([("index", "max")]).to_pylist()
        sizes = {f"f{it['feature_name']}": it["index_max"] + 1 for it in sizes}
        model = Esmm({name: sizes[name] for name in FIELDS})
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for labels, fields in batches(lake, release, "train", last_only, EPOCHS):
            optimizer.zero_grad()
            torch.nn.functional.binary_cross_entropy(model(fields), labels).backward()
            optimizer.step()
        tested = [(y, model(x).detach()) for y, x in batches(lake, release, "test", last_only, 1)]
    labels, scores = (torch.cat(it, dim=1).cpu().numpy() for it in zip(*tested, strict=True))
    for label, y, score in zip(LABELS, labels, scores, strict=True):
        click.echo(f"{label}: AUC {auc(y, score):.3f} on {len(y):,} impressions of test")


if __name__ == "__main__":
    main()
