"""A loop of PyTorch that measures the model's last layer on fixed sentences."""

import torch
from transformers import AutoModelForSequenceClassification as Classifier
from transformers import AutoTokenizer

import geojax
from geojax.data import tasks
from geojax.models import ASSETS

FOLDER = ASSETS / "geojax-bert-tiny"  # any encoder of transformers
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = Classifier.from_pretrained(FOLDER, num_labels=1, dtype="float32")
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

examples = tasks.load("mini_similarity").train


def encode(rows):
    """The tokens of some examples, as the model takes them."""
    pairs = examples.text_a[rows], examples.text_b[rows]
    return tokenizer(*pairs, padding=True, return_tensors="pt")


probes = encode(slice(0, 32))  # the sentences that are measured never change
watch = geojax.monitor("eee,isoscore", points=256)

model.train()
for step in range(11):
    rows = slice(16 * step, 16 * (step + 1))
    labels = torch.as_tensor(examples.labels[rows])
    model(**encode(rows), labels=labels).loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if step % 5 == 0:
        model.eval()
        with torch.no_grad():
            states = model(**probes, output_hidden_states=True).hidden_states
        model.train()
        values = watch(states[-1], probes["attention_mask"])
        print(step, values)  # a dict of floats, for any logger
