"""Run by test_layout in a process of its own with 8 devices; prints the losses of two long trainings as JSON."""

import dataclasses
import json

import trained

from geojax.parallel.layout import over_all
from geojax.training import finetune


def main():
    model, data = trained.model_and_data()
    settings = dataclasses.replace(trained.SETTINGS, epochs=60)  # 300 steps of 3 programs

    def losses(cut):
        found = []
        finetune.finetune(
            model, data, settings, layout=over_all(cut), progress=lambda step, total, loss: found.append(loss)
        )
        return [float(loss) for loss in found]

    print(json.dumps({f"cut {cut}": losses(cut) for cut in (False, True)}))


if __name__ == "__main__":
    main()
