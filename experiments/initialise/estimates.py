"""Costs of the missing runs of a stage, estimated before any of them is made."""

from pathlib import Path

import numpy as np

from configs import schema
from experiments import pretrain
from experiments.initialise.command import Stage
from experiments.initialise.materials import NEEDS, TARGETS
from geojax.runtime import folders
from geojax.sweeps import costs as sizes
from geojax.sweeps.costs import Cost
from geojax.training.constant_rate import branch_length


def costs(config: schema.Initialise, workdir: Path) -> dict[str, Cost]:
    """The cost of each missing run, its branches and evaluations included, by the name of its unit.

    An encoder that gives targets counts in the first run that needs it. The starts, the probes and the geometry of the
    layers are left out.

    Raises:
      InputError: settings that cannot work, no text, or the stage before is not done.
    """
    stage = Stage(config, folders.local(workdir))
    pretrain.check_files(config.text)
    pretrain.check_files(config.eval_text, "eval_text")
    size, apply, found = stage.size, stage.materials.apply, {}
    made = {name for name in TARGETS if stage.materials.is_trained(name)}
    step = sizes.pretraining(apply, 1, size.batch_size, size.length)
    held_out = size.maskings * sizes.products(apply.config, np.full(size.windows, size.length))
    for unit in stage.units:
        if unit.result() is not None:
            continue
        task = stage.tasks[unit.name]
        steps = task.steps + sum(map(branch_length, task.marks))
        if (needed := NEEDS.get(task.arm.begins)) and needed not in made:
            made.add(needed)
            steps += size.target_steps
        evaluations = 1 + task.steps // size.every + len(task.marks)
        found[unit.name] = step._replace(operations=steps * step.operations + evaluations * held_out)
    return found
