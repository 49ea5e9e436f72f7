import gc

import pyarrow as pa
import pytest

from spark_entities.udfs import worker
from spark_entities.udfs.options import ClassifyOptions, ModelOptions
from spark_entities.udfs.worker import classify_batches, metered_type


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch):
    monkeypatch.setattr(worker, "_models", {})


def run(checkpoint, batches, **options) -> list[dict]:
    classify = ClassifyOptions(stride=0, **options)
    arrays = list(classify_batches(batches, ModelOptions(name=str(checkpoint)), classify))
    assert all(array.type == metered_type(classify) for array in arrays)
    return [row for array in arrays for row in array.to_pylist()]


def loads(rows: list[dict]) -> int:
    return sum(row["metrics"]["num_model_loads"] for row in rows if row["metrics"])


def test_a_worker_loads_its_model_once(checkpoint):
    first = run(checkpoint, [["a b"], ["c", None]])
    second = run(checkpoint, [["d"]])
    assert (loads(first), loads(second)) == (1, 0)


def test_options_of_classification_share_one_model(checkpoint):
    run(checkpoint, [["a"]])
    assert loads(run(checkpoint, [["a"]], aggregation_strategy="none")) == 0


def test_another_model_is_loaded_beside_the_first(checkpoint):
    run(checkpoint, [["a"]])
    other = ModelOptions(name=str(checkpoint), precision="bfloat16")
    rows = pa.concat_arrays(list(classify_batches([["a"]], other, ClassifyOptions(stride=0))))
    assert loads(rows.to_pylist()) == 1


@pytest.mark.parametrize("batches", [[], [[]], [[], []]])
def test_a_partition_without_rows_loads_nothing(batches):
    assert run("/no/such/model", batches) == []


def test_rows_keep_their_order_whatever_the_batches(checkpoint):
    texts = ["a b c", None, "", "d", "e f"]
    together = run(checkpoint, [texts])
    apart = run(checkpoint, [[text] for text in texts], buffer_chars=1)
    assert [row["num_tokens"] for row in together] == [3, 0, 0, 1, 2]
    assert [row["num_tokens"] for row in apart] == [3, 0, 0, 1, 2]


def test_metrics_stand_on_the_first_row_of_a_buffer(checkpoint):
    rows = run(checkpoint, [["a b", "c"], ["d"]], buffer_chars=6)
    assert [row["metrics"] is not None for row in rows] == [True, False, True]
    assert rows[0]["metrics"]["num_model_tokens"] == 4 + 3
    assert rows[2]["metrics"]["num_model_tokens"] == 3


def test_what_was_loaded_is_no_garbage_to_look_through_after_each_task(checkpoint):
    gc.unfreeze()
    run(checkpoint, [["a b"]])
    assert gc.get_freeze_count() > 100_000
    gc.unfreeze()


def test_metrics_name_the_device(checkpoint):
    [row, _] = run(checkpoint, [["a b", "c"]])
    assert row["metrics"]["device"] == "cpu"


def test_memory_is_given_back_after_each_buffer(checkpoint, monkeypatch):
    given = []
    monkeypatch.setattr(worker, "return_memory", lambda: given.append(1))
    run(checkpoint, [["a b", "c"], ["d"]], buffer_chars=6)
    assert len(given) == 2


def test_a_model_that_spark_has_shipped_is_taken_from_the_executors_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "executor_folder", lambda: tmp_path)
    (tmp_path / "model").mkdir()
    nearest = {
        "/where/the/driver/is/model": str(tmp_path / "model"),
        "/where/the/driver/is/other": "/where/the/driver/is/other",
        "some/model": "some/model",  # of the Hub
        "bundled": "bundled",
    }
    for name, taken in nearest.items():
        assert worker._nearest(ModelOptions(name=name)).name == taken
