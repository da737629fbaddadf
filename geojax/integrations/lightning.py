"""The geometry of a model in the loggers of Lightning."""

from typing import Any

from geojax.errors import InputError
from geojax.integrations.probe import Probe, check_every

try:
    from lightning.pytorch import Callback
except ImportError:
    try:
        from pytorch_lightning import Callback
    except ImportError as error:
        raise InputError("LightningGeometry needs Lightning, which is missing: pip install lightning") from error


class LightningGeometry(Callback):
    """Logs the scalars of a `Probe` before the first step and after every `every` steps of a Lightning `Trainer`.

        probe = geojax.integrations.Probe(batch, hidden=lambda module, batch: module.encoder(batch["pixels"]))
        trainer = lightning.Trainer(callbacks=[geojax.integrations.LightningGeometry(probe, every=100)])

    Every logger of the trainer receives them, at the number of optimizer steps, whatever its `log_every_n_steps` is.
    The probe's default asks the LightningModule itself for `output_hidden_states=True`; give it `hidden=` if its
    `forward` does not pass that on to a model of transformers. In a run of several processes all run the forward pass,
    and process 0 measures and logs.
    """

    def __init__(self, probe: Probe, every: int = 100):
        """Keeps the settings.

        Args:
          probe: what is measured, on which batch.
          every: optimizer steps between two measurements, at least 1.

        Raises:
          InputError: `every` is below 1.
        """
        self.probe, self.every, self.measured = probe, check_every(every), 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Measures the model before its first step, and not where a training goes on."""
        self.measured = trainer.global_step
        if self.measured == 0:
            self._log(trainer, pl_module)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Measures the model if this batch ended a step that is due; a step may take several batches."""
        if trainer.global_step % self.every == 0 and trainer.global_step != self.measured:
            self.measured = trainer.global_step
            self._log(trainer, pl_module)

    def _log(self, trainer: Any, module: Any) -> None:
        states = self.probe.states(module)
        if trainer.is_global_zero:
            scalars = self.probe.measure(states)
            for logger in trainer.loggers:
                logger.log_metrics(scalars, step=trainer.global_step)
