"""Convert a pickled checkpoint into a model folder with safetensors, which geojax reads.

    python launch.py --config=configs/convert_checkpoint.py --config.source=FOLDER --workdir=OUT
    python launch.py --config=configs/convert_checkpoint.py --config.source=model.pt --config.tokenizer=DIR \\
        --workdir=OUT

FOLDER holds pytorch_model.bin, or its shards, and config.json; model.pt is a RoBERTa of fairseq, and the dict.txt
beside it is compared with the tokenizer in DIR. No code in the files is run: objects other than tensors, plain
containers and argparse.Namespace are refused. The work folder is a model folder: give it to any experiment as
--config.model. PyTorch is needed: `pip install torch`.
"""

from configs.schema import ConvertCheckpoint


def get_config() -> ConvertCheckpoint:
    """Settings of the experiment."""
    return ConvertCheckpoint()
