"""Writes a non-standard model to the work folder, a model folder, which `--config.model` of every experiment takes."""

import dataclasses
import logging
from pathlib import Path

import jax

from configs import schema
from geojax import models
from geojax.errors import InputError
from geojax.models import surgery
from geojax.runtime import records
from geojax.runtime.folder_lock import claim
from geojax.runtime.run_once import need_no_model

OPERATIONS = ("transplant", "shuffle", "untrained")


def run(config: schema.Surgery, workdir: Path) -> None:
    """Applies the operation to `config.model`; `result.json`, written last, records the operation and the weights.

    Raises:
      InputError: an operation that does not exist or lacks its donor, or models that do not fit together.
    """
    if config.operation not in OPERATIONS:
        raise InputError(f"operation {config.operation!r} is unknown: choose one of {', '.join(OPERATIONS)}")
    if (config.operation == "transplant") != bool(config.donor):
        raise InputError("transplant, and no other operation, takes the embeddings of a donor: --config.donor=MODEL")
    need_no_model(workdir, workdir)
    settings = dataclasses.asdict(config)
    with claim(workdir, settings):
        if (workdir / "result.json").exists():
            logging.info("%s is done", workdir)
            return
        source = models.resolve(config.model, config.revision or None)
        apply, params, tokenizer, _ = models.load(source.folder)
        facts = {"model_revision": source.revision}
        key = jax.random.key(config.seed)
        if config.operation == "transplant":
            facts["donor_revision"] = models.resolve(config.donor).revision
            donor = models.load(config.donor)
            apply, params = surgery.transplant_embeddings(apply, params, donor.apply, donor.params)
            tokenizer = donor.tokenizer
        elif config.operation == "shuffle":
            params = surgery.shuffle_embeddings(params, key, config.convention)
        else:
            params = surgery.reinitialise(apply, params, key, keep_embeddings=config.keep_embeddings)
        models.save(workdir, apply, params, tokenizer)
        records.write_json(workdir / "result.json", settings | facts | {"versions": records.versions()})
    logging.info("%s is a model: --config.model=%s", workdir, workdir)
