"""What keeps workers: a task of Python on each slot, from time to time, while the block works."""

from contextlib import nullcontext

import pytest

from spark_entities.jobs.spark import workers
from spark_entities.jobs.spark.workers import keep_workers, task_slots


@pytest.mark.parametrize(("slots", "num_tasks"), [(None, 2), (3, 3)])
def test_a_task_goes_to_each_slot(spark, monkeypatch, slots, num_tasks):
    beats = []

    def every(seconds, action, *, name):
        beats.append((seconds, name))
        action()
        return nullcontext()

    monkeypatch.setattr(workers, "every", every)
    context, group = spark.sparkContext, f"slots={slots}"
    context.setJobGroup(group, "keeps workers")
    try:
        with keep_workers(spark, slots, every_seconds=7):
            context._jsc.sc().listenerBus().waitUntilEmpty()  # what the tracker tells comes by it
            tracker = context.statusTracker()
            (job,) = tracker.getJobIdsForGroup(group)
            (stage,) = tracker.getJobInfo(job).stageIds
            assert tracker.getStageInfo(stage).numCompletedTasks == num_tasks
    finally:
        context._jsc.clearJobGroup()
    assert beats == [(7, "keep-workers")]


def test_a_client_of_spark_connect_takes_one_slot_for_granted(monkeypatch):
    monkeypatch.setattr(workers, "is_remote", lambda: True)
    assert task_slots(None) == 1
