"""Convert a pickled checkpoint or an ONNX encoder into a model folder with safetensors, which geojax reads.

    python launch.py --config=configs/convert_checkpoint.py --config.source=FOLDER --workdir=OUT
    python launch.py --config=configs/convert_checkpoint.py --config.source=model.pt --config.tokenizer=DIR \\
        --workdir=OUT
    python launch.py --config=configs/convert_checkpoint.py --config.source=onnx/model_quantized.onnx --workdir=OUT

FOLDER holds config.json and pytorch_model.bin, its shards, or model.onnx; model.pt is a RoBERTa of fairseq, and the
dict.txt beside it is compared with the tokenizer in DIR. No code in the files is run: objects other than tensors, plain
containers and argparse.Namespace are refused. An ONNX file is an encoder of BERT's form with config.json and tokenizer
in its folder or in the one above; weights of 8 bits become float32. The work folder is a model folder: give it to any
experiment as --config.model. Pickles need PyTorch, `pip install torch`, and ONNX files `pip install onnx`.
"""

from configs.schema import ConvertCheckpoint


def get_config() -> ConvertCheckpoint:
    """Settings of the experiment."""
    return ConvertCheckpoint()
