"""Two processes that were joined train like one, write once, and end together."""

import signal

import numpy as np
import pytest
from launched import command, ends, start, start_two, wait_for, write_task
from places import FIXTURES

from geojax.errors import InputError
from geojax.runtime import processes, records

BERT = FIXTURES / "random-bert"


@pytest.mark.slow
@pytest.mark.parametrize("cut", [False, True])
def test_two_processes_train_like_one_through_a_preemption(tmp_path, cut):
    data = write_task(tmp_path / "data")
    alone = start(command(data, tmp_path / "one"))
    running = start_two(data, tmp_path / "two", shard_parameters=cut)
    metrics = tmp_path / "two" / "metrics.jsonl"
    wait_for(lambda: len(records.read_lines(metrics)) > 5, running)
    running[1].send_signal(signal.SIGTERM)  # to one of them alone
    codes, logs = ends(running)
    assert codes == [75, 75], logs
    assert "stopped and saved at step" in logs[0] and not (tmp_path / "two" / "result.json").exists()
    codes, logs = ends(start_two(data, tmp_path / "two", shard_parameters=cut))
    assert codes == [0, 0], logs
    assert ends([alone])[0] == [0]

    one, two = (records.read_json(tmp_path / name / "result.json") for name in ("one", "two"))
    assert two["resumed_at"] > 5 and two["processes"] == 2 and two["device"].endswith("x 4")
    assert two["score"] == one["score"]
    lines = records.read_lines(metrics)
    losses = {line["step"]: line["loss"] for line in lines}
    assert len(lines) == len(losses) > 40  # the first process alone writes
    expected = {line["step"]: line["loss"] for line in records.read_lines(tmp_path / "one" / "metrics.jsonl")}
    np.testing.assert_allclose([*losses.values()], [expected[step] for step in losses], rtol=1e-4)
    assert (tmp_path / "two" / "model" / "model.safetensors").exists()


@pytest.mark.slow
def test_bad_input_ends_all_processes(tmp_path):
    """What only the first process can see, and what only the second one sees."""
    data = write_task(tmp_path / "data")
    (tmp_path / "begun").mkdir()
    records.write_json(tmp_path / "begun" / "settings.json", {"seed": 1})
    codes, logs = ends(start_two(data, tmp_path / "begun"))
    assert codes == [2, 2] and all("begun with other settings" in log for log in logs), logs
    codes, logs = ends(start_two(data, tmp_path / "odd", micro_batch=6))
    assert codes == [2, 2] and all("micro_batch 6 does not divide over 4 devices" in log for log in logs), logs


def test_alone_a_process_leads_and_agrees_with_itself():
    assert processes.leads() and not processes.several() and processes.agree("a") == "a"
    with pytest.raises(InputError, match="^no$"), processes.together(InputError):
        raise InputError("no")
