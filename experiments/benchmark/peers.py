"""The reference of the benchmark: the same computations by faiss, scikit-learn, SciPy and PyTorch.

Each function of a measure takes a cloud as a NumPy array and returns a number that shows that the work was done. faiss,
scikit-learn and SciPy run on the processor; PyTorch runs on the device of JAX.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from geojax.errors import InputError

# Codebooks, and entries of a codebook, for both quantizers.
M, K = 4, 256


def device() -> str:
    """PyTorch's name of the kind of JAX's device; lets PyTorch round float32 products on it as JAX does.

    Raises:
      InputError: PyTorch does not see such a device.
    """
    import torch

    if jax.default_backend() != "gpu":
        return "cpu"
    if not torch.cuda.is_available():
        raise InputError(
            "JAX takes a GPU that this PyTorch does not see: install it for CUDA, or set JAX_PLATFORMS=cpu"
        )
    torch.set_float32_matmul_precision("high")
    return "cuda"


def codes(kind: str, points: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes, Int[n, M], and reconstructions by a quantizer of faiss with its defaults, trained on all points."""
    import faiss

    d = points.shape[1]
    if kind == "pq":
        quantizer = faiss.ProductQuantizer(d, M, 8)
        quantizer.cp.seed, quantizer.cp.max_points_per_centroid = 1234 + seed, len(points)
    else:
        quantizer = faiss.LocalSearchQuantizer(d, M, 8)
        quantizer.random_seed = 1234 + seed
    quantizer.train(points)
    packed = quantizer.compute_codes(points)
    return packed[:, :M].astype(int), quantizer.decode(packed)


def share_lost(points: np.ndarray, decoded: np.ndarray) -> float:
    """Reconstruction error of the convention "standard"."""
    return float(((points - decoded) ** 2).sum() / ((points - points.mean(0)) ** 2).sum())


def enrichment(points: np.ndarray) -> float:
    """EEE of the points by scikit-learn's principal components, to 4 decimals."""
    from sklearn.decomposition import PCA

    values = PCA().fit(points).explained_variance_[: min(points.shape)]
    total = np.cumsum(values)
    excess = total - np.arange(1, len(values) + 1) * total[-1] / len(values)
    return round(float(np.trapezoid(excess) / (len(values) * total[-1] / 2)), 4)


def cell_enrichment(points: np.ndarray, codes: np.ndarray) -> float:
    """The mean EEE over the cells with more than one distinct point."""
    values = []
    for column in codes.T:
        for cell in range(K):
            members = np.unique(points[column == cell], axis=0)
            if len(members) > 1:
                values.append(enrichment(members))
    return float(np.mean(values))


def vrm(points: np.ndarray) -> float:
    """VRM of the convention "standard", which equals "paper" except for a random factor near 1."""
    from scipy.stats import differential_entropy
    from sklearn.decomposition import PCA

    scores = PCA().fit_transform(points)
    scores *= np.sqrt(points.shape[1] / scores.var(0, ddof=1).sum())
    return float(np.mean((1 - np.exp(differential_entropy(scores)) / np.sqrt(2 * np.pi * np.e)) ** 2))


def study(points: np.ndarray, seed: int) -> float:
    """Computes the nineteen measures of arXiv 2406.12159, "paper", and returns the LSQ patchiness."""
    from scipy.spatial.distance import cdist
    from scipy.stats import skew

    for kind in ("pq", "lsq"):
        labels, decoded = codes(kind, points, seed)
        share_lost(points, decoded)
        distances = np.linalg.norm(points - decoded, axis=1)
        distances /= distances.max()
        np.subtract(*np.percentile(distances, [75, 25])), skew(distances)
        counts = np.stack([np.bincount(column, minlength=K) for column in labels.T])
        shares = counts / len(points)
        np.var(shares / (1 - shares) * (K - 1), axis=1).mean()
        entries = [np.stack([decoded[column == cell].mean(0) for cell in np.unique(column)]) for column in labels.T]
        [np.partition(cdist(book, book, "sqeuclidean"), 1, axis=1)[:, 1] for book in entries]
        mean = counts.sum() / K
        patchiness = 1 + (counts.var() / mean - 1) / mean
        cell_enrichment(points, labels)
    enrichment(points), vrm(points)
    values = np.linalg.eigvalsh(np.cov(points.T))
    (values.sum() ** 2 / (values**2).sum() - 1) / (len(values) - 1)
    return float(patchiness)


def sample(folder: str, texts: Sequence[str], batch_size: int) -> float:
    """Root mean square of the last hidden states by transformers and PyTorch, sequences sorted by length."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval().to(device())
    texts = sorted(texts, key=len)
    total = count = 0.0
    with torch.inference_mode():
        for first in range(0, len(texts), batch_size):
            batch = tokenizer(texts[first : first + batch_size], padding=True, return_tensors="pt").to(model.device)
            kept = model(**batch).last_hidden_state[batch["attention_mask"].bool()]
            total, count = total + float((kept**2).sum()), count + kept.numel()
    return float(np.sqrt(total / count))


def finetune(folder: str, data: Any, settings: Any) -> tuple[Mapping[str, np.ndarray], float]:
    """Fine-tunes by transformers and PyTorch: rows are shuffled each epoch and padded to the longest of their batch.

    Args:
      folder: folder of the model and the tokenizer; the head is new.
      data: a `geojax.data.glue.TaskData`.
      settings: a `geojax.training.settings.Settings`.

    Returns:
      The outputs for every example of each development split, in order; the seconds of training.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(settings.seed)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    kind = "regression" if data.task.regression else "single_label_classification"
    labels = {"num_labels": data.task.num_labels, "problem_type": kind}
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, **labels).to(device())
    steps = settings.steps(len(data.train.labels))
    adamw = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    decay = torch.optim.lr_scheduler.LambdaLR(adamw, lambda step: 1 - step / steps)

    def batches(examples: Any, order: np.ndarray, size: int) -> Any:
        for first in range(0, len(order), size):
            index = order[first : first + size]
            texts = [[column[i] for i in index] for column in (examples.text_a, examples.text_b) if column is not None]
            limit = {"truncation": True, "max_length": settings.max_length}
            yield index, tokenizer(*texts, padding=True, return_tensors="pt", **limit).to(model.device)

    start = time.monotonic()
    model.train()
    for _ in range(settings.epochs):
        order = torch.randperm(len(data.train.labels)).numpy()
        for index, batch in batches(data.train, order, settings.batch_size):
            labels = torch.tensor(data.train.labels[index], device=model.device)
            loss = model(**batch, labels=labels if data.task.regression else labels.long()).loss
            adamw.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adamw.step()
            decay.step()
    loss.item()  # waits until a GPU has finished
    seconds = time.monotonic() - start
    model.eval()
    outputs = {}
    with torch.inference_mode():
        for name, examples in data.dev.items():
            places = np.arange(len(examples.labels))
            outputs[name] = np.concatenate(
                [model(**batch).logits.cpu().numpy() for _, batch in batches(examples, places, 64)]
            )
    return outputs, seconds
