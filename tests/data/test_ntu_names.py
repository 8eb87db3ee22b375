"""The names of NTU RGB+D: their numbers, their form, and the published lists."""

import hashlib

import pytest

from via_jax.data import ntu_names
from via_jax.data.splits import NTU60_SETUPS, NTU120_SETUPS


@pytest.mark.parametrize(
    ("setups", "recorded", "available", "sha1"),
    [
        (NTU60_SETUPS, 56_880, 56_578, "44c1e02e3151bbccc8a3a8c956d8434375a42ab6"),
        (NTU120_SETUPS, 114_480, 113_945, "7c2636dc442b546787f1c9ca3a7ca5b6ad602aa8"),
    ],
)
def test_numbers_and_the_published_list(setups, recorded, available, sha1):
    every, names = list(ntu_names.all_names(setups)), ntu_names.names(setups)
    assert len(every) == len(set(every)) == recorded
    assert len(names) == len(set(names)) == available
    missing = ntu_names.without_skeletons(setups)
    assert set(every) - set(names) == missing
    text = "".join(f"{name}\n" for name in sorted(missing))
    assert hashlib.sha1(text.encode()).hexdigest() == sha1  # of the official list, sorted


def test_names_by_hand():
    names = ntu_names.names(NTU120_SETUPS)
    assert names[0] == "S001C001P001R001A001" and names[-1] == "S032C003P106R002A120"
    assert {"S017C003P020R002A060", "S018C001P008R001A061", "S004C002P020R002A003"} <= set(names)
    assert not {"S001C002P005R002A008", "S017C001P001R001A001", "S018C001P008R001A060"} & set(names)


def test_the_table_of_performers_is_the_published_one(shared_data):
    path = shared_data.parent / "spec" / "ntu_setup_performers.txt"
    if not path.is_file():
        pytest.skip(f"no list of setups and performers at {path}")
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    published = {
        int(setup): [int(number) for number in performers.split()]
        for setup, performers in (line.split(":") for line in lines)
    }
    assert {setup: list(who) for setup, who in ntu_names.PERFORMERS.items()} == published
