"""The geometry of a model in the logs of HuggingFace's Trainer."""

from typing import Any

from transformers.trainer_callback import TrainerCallback

from geojax.integrations.probe import Probe, check_every


class TrainerGeometry(TrainerCallback):
    """Logs the scalars of a `Probe` before the first step and after every `every` steps of a `transformers.Trainer`.

        probe = geojax.integrations.Probe(tokenizer(sentences, padding=True, return_tensors="pt"), layers="all")
        trainer.add_callback(geojax.integrations.TrainerGeometry(trainer, probe, every=100))
        trainer.train()

    The scalars go through `trainer.log`, to every logger of `report_to` and to `trainer.state.log_history`; loggers put
    "train/" before their names. In a run of several processes all run the forward pass, and process 0 measures and
    logs.
    """

    def __init__(self, trainer: Any, probe: Probe, every: int = 100):
        """Keeps the trainer, whose `log` a callback is not given otherwise.

        Args:
          trainer: the `transformers.Trainer` that the callback is added to.
          probe: what is measured, on which batch.
          every: optimizer steps between two measurements, at least 1.

        Raises:
          InputError: `every` is below 1.
        """
        self.trainer, self.probe, self.every = trainer, probe, check_every(every)

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **others: Any) -> None:
        """Measures the model before its first step, and not where a training goes on."""
        if state.global_step == 0:
            self._log(state, control, model)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **others: Any) -> None:
        """Measures the model if this step is due."""
        if state.global_step % self.every == 0:
            self._log(state, control, model)

    def _log(self, state: Any, control: Any, model: Any) -> None:
        states = self.probe.states(model)
        if state.is_world_process_zero:
            due = control.should_log  # `trainer.log` clears it, and the loss of this step would never be logged
            self.trainer.log(self.probe.measure(states))
            control.should_log = due
