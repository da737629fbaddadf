"""HuggingFace's Trainer that logs the geometry of every layer: `python docs/examples/trainer_callback.py`."""

import tempfile

import transformers

from geojax.data import tasks
from geojax.integrations import Probe, TrainerGeometry
from geojax.models import ASSETS

FOLDER = ASSETS / "geojax-bert-tiny"  # any encoder of transformers
tokenizer = transformers.AutoTokenizer.from_pretrained(FOLDER)
model = transformers.AutoModelForSequenceClassification.from_pretrained(FOLDER, num_labels=1, dtype="float32")

examples = tasks.load("mini_similarity").train
encoded = tokenizer(examples.text_a, examples.text_b)
rows = [
    {"labels": float(label)} | {name: encoded[name][row] for name in encoded}
    for row, label in enumerate(examples.labels)
]
probes = tokenizer(examples.text_a[:32], examples.text_b[:32], padding=True, return_tensors="pt")  # they never change

with tempfile.TemporaryDirectory() as folder:
    arguments = transformers.TrainingArguments(
        folder, max_steps=10, logging_steps=5, save_strategy="no", report_to="none", use_cpu=True
    )
    trainer = transformers.Trainer(model, arguments, train_dataset=rows, processing_class=tokenizer)
    trainer.add_callback(TrainerGeometry(trainer, Probe(probes, "eee,isoscore", layers="all"), every=5))
    trainer.train()
print(*trainer.state.log_history, sep="\n")
