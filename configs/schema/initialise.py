"""Settings of the experiment on geometry-informed initialisation."""

from dataclasses import KW_ONLY, dataclass

from configs.schema import sections


@dataclass
class Initialise(sections.Checkpoints, sections.Corpus):
    """Train encoders from many starts on the same batches, and compare the steps to a loss."""

    experiment: str = "initialise"
    stage: str = "rates"  # rates, development, look, confirmatory or exploratory; each needs the one before
    size: str = "feasible"  # "tiny" (for tests), "feasible" (two cores, hours) or "scaled" (one accelerator)
    arms: str = ""  # exploratory arms to run, such as "held,rotated"; empty: all of them
    _: KW_ONLY
    tokenizer: str = "geojax-bert-tiny"  # model whose tokenizer all encoders take
    data_dir: str = ""  # folder that holds SST-2/ and STS-B/, for probes of the later stages; empty: no probes
