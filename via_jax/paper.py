"""Tables 2 to 7 of the paper as data: which numbers there are, and what reproduces each of them."""

import dataclasses

OTHERS = "another method, cited by the paper"
SUPERVISED = "supervised pre-training, given by the paper for reference"
CHAIN = "needs Mixamo, then Posetics, in UNIK-17; chain the stages by pretrain.start_from"


@dataclasses.dataclass(frozen=True)
class Row:
    """One number of a table.

    Attributes:
      name: its row and column.
      paper: the paper's number; percent, in Table 6 a mean squared error, in units of its own.
      config: file of configs/ without ".py", the paper's setting; None where nothing is run.
      pretrain: file of configs/ whose pre-training a ViA row starts from.
      substitute: file of configs/ that is run, for pre-training and evaluation, where the data of
        the paper's setting are not there.
      evaluation: "linear_probe" or "fine_tune".
      pretrained: start from the pre-trained encoder; False is a random start.
      label_fraction: of the training labels, in (0, 1].
      metric: key of results.json.
      grid, cell: of via_jax.ablation, in place of an evaluation.
      reason: why it is not run, where config is None.
    """

    name: str
    paper: float
    config: str | None = None
    pretrain: str = "posetics"
    substitute: str | None = None
    evaluation: str = "linear_probe"
    pretrained: bool = True
    label_fraction: float = 1.0
    metric: str = "top1"
    grid: str = ""
    cell: str = ""
    reason: str = ""

    def of(self, name: str, paper: float, pretrained: bool) -> "Row":
        """The same setting with another start."""
        return dataclasses.replace(self, name=name, paper=paper, pretrained=pretrained)


def _cited(names_and_numbers: dict[str, float], reason: str) -> list[Row]:
    return [Row(name, paper, reason=reason) for name, paper in names_and_numbers.items()]


TABLE_2 = [
    Row("Posetics, random, linear, top-1", 8.2, "posetics", pretrained=False),
    Row("Posetics, random, linear, top-5", 21.4, "posetics", pretrained=False, metric="top5"),
    *_cited({"Pr-ViPE": 17.2, "OR-VPE": 14.6, "3s-CrosSCLR": 18.8}, OTHERS),
    Row("Posetics, ViA, linear, top-1", 20.7, "posetics"),
    Row("Posetics, ViA, linear, top-5", 40.1, "posetics", metric="top5"),
    *_cited({"TCNs": 34.0, "ST-GCN": 43.3, "2s-AGCN": 47.0}, OTHERS),
    *_cited({"Res-GCN": 46.7, "MS-G3D": 47.1}, OTHERS),
    Row("Posetics, from scratch", 47.6, "posetics", evaluation="fine_tune", pretrained=False),
    Row("Posetics, ViA, fine-tuned, top-1", 48.0, "posetics", evaluation="fine_tune"),
    Row(
        "Posetics, ViA, fine-tuned, top-5", 72.6, "posetics", evaluation="fine_tune", metric="top5"
    ),
]

# Benchmark, config: linear; from scratch; fine-tuned.
_NTU = {
    ("NTU-60 CS", "ntu60_cs"): (78.1, 86.5, 89.6),
    ("NTU-60 CV", "ntu60_cv"): (85.8, 94.6, 96.4),
    ("NTU-120 CS", "ntu120_cs"): (69.2, 80.1, 85.0),
    ("NTU-120 CSet", "ntu120_cset"): (66.9, 84.5, 86.5),
}
# Benchmark, config, metric, substitute: linear evaluation of random, supervised and ViA weights,
# the same three fine-tuned; then Table 5: 5 % of the labels from scratch and by ViA, 10 % likewise.
_TRANSFER = {
    ("Smarthome CS", "smarthome_cs", "mean_class", None): (
        (24.6, 51.9, 49.5, 63.1, 64.5, 64.0),
        (22.9, 38.6, 33.8, 45.3),
    ),
    ("Smarthome CV1", "smarthome_cv1", "mean_class", None): (
        (17.2, 35.4, 33.6, 22.9, 36.1, 35.6),
        (5.6, 16.8, 8.5, 22.7),
    ),
    ("Smarthome CV2", "smarthome_cv2", "mean_class", None): (
        (20.7, 52.2, 52.6, 61.2, 65.2, 65.4),
        (33.7, 42.6, 39.5, 46.6),
    ),
    ("UAV-Human CS1", "uav_human_cs1", "top1", None): (
        (3.8, 32.9, 29.5, 39.2, 42.6, 41.3),
        (10.9, 21.7, 17.8, 31.0),
    ),
    ("UAV-Human CS2", "uav_human_cs2", "top1", None): (
        (4.1, 56.1, 46.7, 67.3, 69.5, 68.5),
        (10.4, 33.3, 25.6, 43.7),
    ),
    ("Penn Action", "penn_lcrnet", "top1", "penn_action"): (
        (29.8, 97.3, 90.2, 94.0, 98.0, 97.7),
        (32.4, 65.8, 39.8, 85.2),
    ),
}


def _table_3() -> list[Row]:
    rows = []
    for (name, config), (linear, scratch, tuned) in _NTU.items():
        rows += [
            Row(f"{name}, ViA, linear", linear, config, pretrain=config),  # on NTU itself
            Row(f"{name}, from scratch", scratch, config, evaluation="fine_tune", pretrained=False),
            Row(f"{name}, ViA, fine-tuned", tuned, config, "posetics_3d", evaluation="fine_tune"),
        ]
    return rows


def _table_4() -> list[Row]:
    rows = []
    for (name, config, metric, substitute), (numbers, _) in _TRANSFER.items():
        for evaluation, title, (scratch, supervised, via) in (
            ("linear_probe", "linear", numbers[:3]),
            ("fine_tune", "fine-tuned", numbers[3:]),
        ):
            row = Row("", 0.0, config, substitute=substitute, evaluation=evaluation, metric=metric)
            rows += [
                row.of(f"{name}, random, {title}", scratch, pretrained=False),
                *_cited({f"{name}, supervised, {title}": supervised}, SUPERVISED),
                row.of(f"{name}, ViA, {title}", via, pretrained=True),
            ]
    return rows


def _table_5() -> list[Row]:
    rows = []
    for (name, config, metric, substitute), (_, numbers) in _TRANSFER.items():
        for fraction, (scratch, via) in ((0.05, numbers[:2]), (0.1, numbers[2:])):
            row = Row(
                "",
                0.0,
                config,
                substitute=substitute,
                evaluation="fine_tune",
                label_fraction=fraction,
                metric=metric,
            )
            rows += [
                row.of(f"{name}, {fraction:.0%} of the labels, random", scratch, pretrained=False),
                row.of(f"{name}, {fraction:.0%} of the labels, ViA", via, pretrained=True),
            ]
    return rows


def _table_6() -> list[Row]:
    row = Row("", 0.0, "mixamo", substitute="mocap_characters", grid="retargeting", metric="mse")
    return [
        *_cited({"NKN": 1.51}, OTHERS),
        *(
            dataclasses.replace(row, name=name, paper=paper, cell=cell)
            for name, paper, cell in (
                ("MotionRetargeting2D, supervised", 0.96, "three encoders, supervised"),
                ("MotionRetargeting2D, unsupervised", 2.56, "three encoders, unsupervised"),
                ("ViA without D_c, supervised", 2.42, "without D_c"),
                ("ViA, K = 2, supervised", 1.16, "K = 2"),
                ("ViA, K = 64, supervised", 0.89, "K = 64"),
                ("ViA, K = 32, supervised", 0.86, "K = 32"),
                ("ViA, K = 32, unsupervised", 2.47, "K = 32, unsupervised"),
            )
        ),
    ]


def _table_7() -> list[Row]:
    rows = []
    for name, cell, smarthome, mixamo in (
        ("L0: baseline", "L0 supervised only", 61.7, 71.7),
        ("L1: + self", "L1 + self", 62.9, 76.5),
        ("L2: + cycle", "L2 + cycle", 63.8, 82.5),
        ("L3: + triplet", "L3 + triplet", 65.0, 85.8),
        ("L4: + velocity", "L4 + velocity", 65.4, 87.2),
    ):
        rows += [
            Row(f"{name}, Smarthome CV2", smarthome, reason=CHAIN),
            Row(
                f"{name}, Mixamo CV",
                mixamo,
                "mixamo",
                substitute="mocap_characters",
                grid="losses",
                cell=cell,
                metric="fine_tune_top1",
            ),
        ]
    return rows


TABLES = {2: TABLE_2, 3: _table_3(), 4: _table_4(), 5: _table_5(), 6: _table_6(), 7: _table_7()}
