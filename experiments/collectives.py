"""Prints the collectives of a compiled pre-training step and their bytes; see docs/scaling.md.

python -m experiments.collectives --config=configs/base.py --devices=1,2,8,64
"""

from absl import flags
from ml_collections import config_flags

from experiments import launch

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file("config", "configs/base.py", "settings", lock_config=True)
flags.DEFINE_list("devices", ["1", "2", "8", "64"], "numbers of devices, simulated on CPU")
flags.DEFINE_integer("joints", 17, "of the poses")


def main(_):
    """Compiles the step for each number of devices and prints a table."""
    import jax

    numbers = [int(number) for number in FLAGS.devices]
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", max(numbers))

    from via_jax import collectives

    print("| devices | collective | count | bytes |\n|---|---|---|---|")
    for number in numbers:
        compiled = collectives.compiled_step(FLAGS.config, FLAGS.joints, number)
        found = collectives.collectives_of(compiled.as_text())
        for kind, exchange in found.items():
            print(f"| {number} | {kind} | {exchange.number} | {exchange.size:,} |", flush=True)
        if not found:
            print(f"| {number} | none | 0 | 0 |", flush=True)
        work = compiled.cost_analysis()["flops"]
        temporary = compiled.memory_analysis().temp_size_in_bytes
        print(f"| {number} | temporary memory of a device | | {temporary:,} |")
        print(f"| {number} | arithmetic of a device: {work / 1e9:,.1f} GFLOP | | |", flush=True)


if __name__ == "__main__":
    launch.run(main)
