"""The paper's tables as data."""

import importlib

from via_jax.ablation import GRIDS
from via_jax.paper import TABLES


def test_every_row_is_run_or_says_why_not():
    for rows in TABLES.values():
        names = [row.name for row in rows]
        assert len(set(names)) == len(names)
        for row in rows:
            assert (row.config is None) == bool(row.reason)
            assert row.paper > 0


def test_every_config_is_there_and_of_one_model_with_its_pretraining():
    for rows in TABLES.values():
        for row in rows:
            if row.config is None:
                continue
            if row.grid:
                assert row.cell in [cell.name for cell in GRIDS[row.grid]]
                assert (
                    importlib.import_module(f"configs.{row.substitute}").get_config().ablation.views
                )
                continue
            config = importlib.import_module(f"configs.{row.config}").get_config()
            assert row.evaluation in config
            assert config.data.folder
            if row.pretrained:
                before = importlib.import_module(f"configs.{row.pretrain}").get_config()
                assert before.model == config.model
                views, earlier = config.data.views, before.data.views
                assert views.normalisation == earlier.normalisation
            if row.substitute is not None:
                importlib.import_module(f"configs.{row.substitute}")


def test_some_numbers_of_each_table():
    numbers = {row.name: row.paper for rows in TABLES.values() for row in rows}
    assert numbers["Posetics, ViA, linear, top-5"] == 40.1
    assert numbers["NTU-120 CSet, ViA, fine-tuned"] == 86.5
    assert numbers["Smarthome CV2, ViA, linear"] == 52.6
    assert numbers["UAV-Human CS1, supervised, fine-tuned"] == 42.6
    assert numbers["Penn Action, 10% of the labels, ViA"] == 85.2
    assert numbers["Smarthome CV1, 5% of the labels, random"] == 5.6
    assert numbers["ViA, K = 32, unsupervised"] == 2.47
    assert numbers["L3: + triplet, Mixamo CV"] == 85.8
    assert [len(TABLES[table]) for table in range(2, 8)] == [15, 12, 36, 24, 8, 10]
