"""Run by test_folders in a process of its own: a fine-tuning whose work folder is in a stand-in for a bucket."""

import json
import sys
from pathlib import Path

import fake_store
from places import FIXTURES

fake_store.install_for_checkpoints()

from configs.schema import Finetune  # noqa: E402  (TensorStore reads its environment once)
from experiments import finetune  # noqa: E402
from geojax.runtime import folders, records  # noqa: E402
from geojax.training import reporting  # noqa: E402

BERT = FIXTURES / "random-bert"


def main(data, local):
    config = Finetune(
        model=str(BERT), task="sst2", data_dir=data, epochs=2, batch_size=8, max_length=12, learning_rate=1e-3,
        checkpoint_seconds=0.0,
    )  # fmt: skip
    finetune.run(config, Path(local))
    remote, real = folders.path("gs://bucket/runs/one"), reporting.Reporter.__call__

    def interrupted(self, step, total, loss):
        real(self, step, total, loss)
        if step == 6:
            raise KeyboardInterrupt

    reporting.Reporter.__call__ = interrupted
    try:
        finetune.run(config, remote)
    except KeyboardInterrupt:
        pass
    reporting.Reporter.__call__ = real
    record = {"interrupted": sorted({name.split("/")[2] for name in fake_store.STORE.objects})}
    finetune.run(config, remote)
    finetune.run(config, remote)  # is finished, and does nothing
    record["files"] = sorted(fake_store.STORE.objects)
    record["resumed_at"] = records.read_json(remote / "result.json")["resumed_at"]
    weights = (remote / "model" / "model.safetensors").read_bytes()
    record["same"] = weights == (Path(local) / "model" / "model.safetensors").read_bytes()
    record["steps"] = [line["step"] for line in records.read_lines(remote / "metrics.jsonl")]
    print(json.dumps(record))


if __name__ == "__main__":
    main(*sys.argv[1:])
