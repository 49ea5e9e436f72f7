import os

from spark_entities.udfs import task


def test_a_worker_of_spark_has_no_network_unless_it_is_given(monkeypatch):
    monkeypatch.setattr(task, "task_context", object)
    monkeypatch.setenv("HF_HUB_OFFLINE", "")  # so that what it was comes back
    monkeypatch.delenv("HF_HUB_OFFLINE")
    task.settle_in()
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    task.settle_in()
    assert os.environ["HF_HUB_OFFLINE"] == "0"
