"""A loop of PyTorch that measures the model's last layer on fixed sentences: `python docs/examples/pytorch_loop.py`."""

import torch
import transformers

import geojax
from geojax.data import tasks
from geojax.models import ASSETS

FOLDER = ASSETS / "geojax-bert-tiny"  # any encoder of transformers
tokenizer = transformers.AutoTokenizer.from_pretrained(FOLDER)
model = transformers.AutoModelForSequenceClassification.from_pretrained(FOLDER, num_labels=1, dtype="float32")
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

examples = tasks.load("mini_similarity").train


def encode(rows):
    """The tokens of some examples, as the model takes them."""
    return tokenizer(examples.text_a[rows], examples.text_b[rows], padding=True, return_tensors="pt")


probes = encode(slice(0, 32))  # the sentences that are measured never change
watch = geojax.monitor("eee,isoscore", points=256)

model.train()
for step in range(11):
    rows = slice(16 * step, 16 * (step + 1))
    loss = model(**encode(rows), labels=torch.as_tensor(examples.labels[rows])).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if step % 5 == 0:
        model.eval()
        with torch.no_grad():
            hidden = model(**probes, output_hidden_states=True).hidden_states[-1]
        model.train()
        print(step, watch(hidden, probes["attention_mask"]))  # a dict of floats, for any logger
