"""ESMM on a release: clicks and conversions of Ali-CCP, with users that stay on the device."""

from pathlib import Path

import click
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from pipeline_assets import open_lake
from pipeline_assets.reading.release import open_release
from pipeline_assets.training import Reader, ResidentTensors, prepare

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DIMENSIONS, BATCH_ROWS, CACHE = 8, 512, Path("training_cache")
FIELDS = ("f206", "f210", "f121", "f109_14")  # some of 23, for half a minute on a CPU
TABLES, LABELS = ("impressions", "users"), ("click_label", "conversion_label")


class Esmm(nn.Module):
    def __init__(self, sizes: dict[str, int]) -> None:
        super().__init__()
        how = {"mode": "sum", "include_last_offset": True, "padding_idx": 0}
        bags = {name: nn.EmbeddingBag(size, DIMENSIONS, **how) for name, size in sizes.items()}
        self.bags, width = nn.ModuleDict(bags), DIMENSIONS * len(bags)
        for bag in bags.values():  # torch begins at 1.0, where ids that are rare drown the others
            nn.init.normal_(bag.weight, std=0.01)
        towers = (nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 1)) for _ in LABELS)
        self.towers = nn.ModuleList(towers)

    def forward(self, fields):
        pooled = []
        for name, bag in self.bags.items():
            ids, weights, offsets = fields[name]
            pooled.append(bag(ids, offsets, weights) / offsets.diff().clamp(min=1).sqrt()[:, None])
        together = torch.cat(pooled, 1)
        clicked, bought = ((tower(together) - 3).sigmoid() for tower in self.towers)  # both rare
        return torch.cat([clicked, clicked * bought], 1).T


def batches(lake, release, split: str, chosen):
    rows, users = (release.table(lake, f"taobao.encoded_{it}", partition=split) for it in TABLES)
    order, where = ["user_row", "sample_id"], {"part": split}
    users = prepare(users, CACHE, order_by=["user_row"]).resident()
    resident = ResidentTensors.of(chosen(users), DEVICE)
    for batch in Reader(prepare(rows, CACHE, order_by=order, where=where), BATCH_ROWS, seed=1):
        found = type(batch)(batch.keys, chosen(batch.fields)).to_torch(DEVICE)
        labels = torch.stack([found[name].float() for name in LABELS])
        yield labels, found | resident.take(found["user_row"])


@click.command()
@click.argument("lake_uri")
@click.argument("name")
@click.option("--last-only", is_flag=True, help="Keep the last value of each field, unweighted.")
def main(lake_uri: str, name: str, last_only: bool) -> None:
    def chosen(fields):
        return {f: it.last() if last_only else it for f, it in fields.items() if f in FIELDS}

    torch.manual_seed(1)
    with open_lake(lake_uri) as lake, torch.device(DEVICE):
        release = open_release(lake, name)
        vocabulary = release.table(lake, "taobao.vocabulary").to_pandas()
        last = vocabulary.groupby("feature_name")["index"].max()
        model = Esmm({name: int(last[name.removeprefix("f")]) + 1 for name in FIELDS})
        optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
        for labels, fields in batches(lake, release, "train", chosen):  # once: a second overfits
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy(model(fields), labels).backward()
            optimizer.step()
        with torch.no_grad():
            tested = [(y, model(x)) for y, x in batches(lake, release, "test", chosen)]
    labels, scores = (torch.cat(it, dim=1).cpu().numpy() for it in zip(*tested, strict=True))
    for label, y, score in zip(LABELS, labels, scores, strict=True):
        click.echo(f"{label}: AUC {roc_auc_score(y, score):.3f} on {len(y):,} impressions of test")


if __name__ == "__main__":
    main()
