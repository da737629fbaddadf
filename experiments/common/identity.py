"""The identity of a run: its settings, with the contents of files and models in place of their paths."""

import hashlib
from pathlib import Path, PurePath
from typing import Any

from configs.lists import names
from geojax.data import glue
from geojax.errors import InputError
from geojax.runtime import folders
from geojax.runtime.run_once import settings_without

FILES = ("cloud", "sequence_index", "table", "predict", "train", "store", "text", "vectors", "bridge")  # of one file
CHANGING_NOTHING = (
    *FILES,
    "tests",
    "sequences",
    "data_dir",
    "hub",
    "fit",
    "allow_unknown",
)  # paths, and what is allowed
ABSENT = "absent"


def identity(config: Any, sequences: str | None = None) -> dict[str, Any]:
    """The settings and contents that the results of a config depend on; a work folder goes on with the same identity.

    The same files at another path are the same run; changed files are another run. A file that cannot be read is
    "absent" in the identity; the function that reads the file raises the error.

    Args:
      config: settings of an experiment that measures or regresses.
      sequences: replaces the config's own `sequences`.

    Raises:
      InputError: a model that does not exist or cannot be read; sequences or task data that cannot be read.
    """
    found = settings_without(config, CHANGING_NOTHING)
    files = {name: Path(getattr(config, name)) for name in FILES if getattr(config, name, "")}
    if fit := getattr(config, "fit", ""):
        files["fit"] = folders.path(fit) / "fit.json"
    files |= {f"test {Path(name).stem}": Path(name) for name in names(getattr(config, "tests", ""))}
    contents = {name: digest(path) for name, path in files.items()}
    if task := getattr(config, "task", ""):
        if task.endswith(".tsv"):  # a file of a person's own
            contents["task"] = digest(Path(task))
        else:
            contents["task"] = glue.load(task, config.data_dir, config.hub).source.get("sha256", "generated")
    elif hasattr(config, "sequences") and not getattr(config, "cloud", ""):
        from geojax.api import sources  # imports the libraries that models need

        texts = sources.sequences(config.sequences if sequences is None else sequences)
        contents["sequences"] = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    if getattr(config, "model", ""):
        contents["model"] = model_digest(config.model, config.revision)
    elif hasattr(config, "models"):
        contents["models"] = {name: _if_there(name) for name in names(config.models)}
    return found | {f"content of {name}": content for name, content in contents.items()}


def digest(path: PurePath) -> str:
    """The SHA-256 of a file in hexadecimal, or "absent"."""
    try:
        with folders.fetched(path) as local, open(local, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ABSENT


def model_digest(name: str, revision: str = "") -> str:
    """The digest of a model's weights (or its commit on the hub), configuration, tokenizer and pooling."""
    from geojax import models

    folder, weights = models.resolve(name, revision or None)
    small = {path for pattern in models.HUB_FILES for path in folder.glob(pattern) if path.suffix != ".safetensors"}
    small |= set(folder.glob("[0-9]*_*/*.safetensors"))  # dense layers of sentence-transformers
    listed = [weights, *(f"{path.relative_to(folder)} {digest(path)}" for path in sorted(small))]
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


def _if_there(name: str) -> str:
    try:
        return model_digest(name)
    except InputError:
        return ABSENT
