"""HuggingFace's Trainer that logs the geometry of every layer."""

import tempfile

from transformers import AutoModelForSequenceClassification as Classifier
from transformers import AutoTokenizer, Trainer, TrainingArguments

from geojax.data import tasks
from geojax.integrations import Probe, TrainerGeometry
from geojax.models import ASSETS

FOLDER = ASSETS / "geojax-bert-tiny"  # any encoder of transformers
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = Classifier.from_pretrained(FOLDER, num_labels=1, dtype="float32")

examples = tasks.load("mini_similarity").train
encoded = tokenizer(examples.text_a, examples.text_b)
rows = [
    {"labels": float(label)} | {name: encoded[name][row] for name in encoded}
    for row, label in enumerate(examples.labels)
]
sentences = examples.text_a[:32]  # what is measured never changes
probes = tokenizer(sentences, padding=True, return_tensors="pt")

settings = {"max_steps": 10, "logging_steps": 5, "use_cpu": True}
settings |= {"report_to": "none", "save_strategy": "no"}
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(folder, **settings)
    trainer = Trainer(model, arguments, train_dataset=rows, processing_class=tokenizer)
    probe = Probe(probes, "eee,isoscore", layers="all")
    trainer.add_callback(TrainerGeometry(trainer, probe, every=5))
    trainer.train()
print(*trainer.state.log_history, sep="\n")
