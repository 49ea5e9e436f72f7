"""The model's hop where memory runs out or the device fails: scripted models raise torch's errors.

No GPU is needed: the errors are the real classes, raised by a network that runs on the CPU.
"""

from dataclasses import replace

import pytest
import torch

from spark_entities.udfs import forward, sizes
from spark_entities.udfs.classifier import TokenClassifier
from spark_entities.udfs.errors import DeviceError
from spark_entities.udfs.options import ClassifyOptions, ModelOptions
from tests.support.packs import packs_on_cpu
from tests.support.reads import Reads
from tests.support.scripted import make_classifier

SCRIPT = {"j": "B-PER", "l": "B-LOC"}
TEXTS = ["j o l", "l", "o o o o o o o o o o j", "j l j l", "o", "l l", "j " * 30]


def classify(classifier, texts=TEXTS) -> list[dict]:
    return classifier.classify(texts).to_pylist()


def test_a_batch_that_does_not_fit_is_halved_until_it_does():
    scarce = make_classifier(SCRIPT, memory_tokens=40, max_window_tokens=14)
    ample = make_classifier(SCRIPT, max_window_tokens=14)
    assert classify(scarce) == classify(ample)
    shapes = [rows * width for rows, width in scarce.model.network.shapes]
    assert max(shapes) > 40
    assert scarce.model.memory.max_padded_tokens <= 40


@pytest.mark.parametrize("strategy", ["average", "none"])
def test_results_of_every_strategy_survive_a_lack_of_memory(strategy):
    options = {"aggregation_strategy": strategy, "max_window_tokens": 14}
    scarce = make_classifier(SCRIPT, memory_tokens=20, **options)
    assert classify(scarce) == classify(make_classifier(SCRIPT, **options))


def test_the_smaller_budget_is_remembered():
    classifier = make_classifier(SCRIPT, memory_tokens=40, max_window_tokens=14)
    classify(classifier)
    classifier.model.network.shapes.clear()
    classify(classifier)
    assert max(rows * width for rows, width in classifier.model.network.shapes) <= 40


def test_one_batch_that_did_not_fit_is_enough_to_cut_those_already_planned():
    options = {"max_window_tokens": 14, "max_padded_tokens": 64}
    classifier = make_classifier(SCRIPT, memory_tokens=40, **options)
    classify(classifier, [f"{'o ' * 13}{letter}" for letter in "abcdefghikmnp"])
    shapes = [rows * width for rows, width in classifier.model.network.shapes]
    assert [size for size in shapes if size > 40] == [64]


def test_padded_tokens_count_the_batches_that_ran():
    classifier = make_classifier(SCRIPT, memory_tokens=40, max_window_tokens=14)
    [classified] = classifier.classify_buffers([TEXTS])
    ran = [r * w for r, w in classifier.model.network.shapes if r * w <= 40]
    assert classified.cost.num_padded_tokens == sum(ran)


def test_a_window_that_does_not_fit_alone_costs_its_document_only():
    classifier = make_classifier(SCRIPT, memory_tokens=8)
    rows = classify(classifier, ["j", "o " * 20, "l"])
    assert [len(row["entities"] or ()) for row in rows] == [1, 0, 1]
    assert rows[1]["entities"] is None
    assert rows[1]["error"] == (
        "OutOfMemoryError on cpu: one window of 22 tokens does not fit in memory"
    )
    assert [rows[0]["error"], rows[2]["error"]] == [None, None]


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    ],
    ids=["accelerator", "cublas", "cudnn"],
)
def test_a_failed_device_is_no_documents_fault(error):
    classifier = make_classifier(SCRIPT, poison="x")
    classifier.model.network.poison = error
    with pytest.raises(DeviceError, match=f"{type(error).__name__} on cpu: this worker ends"):
        classifier.classify(["j", "x", "l"])


def test_an_error_that_a_kernel_left_for_the_fetch_is_the_devices_too(monkeypatch):
    def wait(_: forward.Clock) -> float:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(forward.Clock, "seconds", wait)
    with pytest.raises(DeviceError, match="AcceleratorError on cpu: this worker ends"):
        make_classifier(SCRIPT).classify(["j", "l"])


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to …"),
    ],
    ids=["driver", "cublas", "cpu"],
)
def test_memory_that_runs_out_elsewhere_counts_as_such(error):
    classifier = make_classifier(SCRIPT, poison="x")
    classifier.model.network.poison = error
    rows = classify(classifier, ["j", "x", "l"])
    assert rows[1]["error"].endswith("does not fit in memory")
    assert rows[0]["entities"]


def test_widths_are_multiples_of_eight_where_the_device_likes_them(monkeypatch):
    monkeypatch.setitem(sizes._PADDED, "cpu", sizes._PADDED["cuda"])
    classifier = make_classifier(SCRIPT, max_positions=30, max_padded_tokens=16)
    plain = make_classifier(SCRIPT, max_positions=30)
    assert classify(classifier) == classify(plain)
    widths = {width for _, width in classifier.model.network.shapes}
    assert widths == {8, 16, 30}  # 30: the model has no more positions


@pytest.mark.parametrize("strategy", ["first", "average"])
def test_a_buffer_is_launched_without_a_look_at_the_device_and_waited_for_once(
    monkeypatch, strategy
):
    waits = []
    monkeypatch.setattr(forward.Clock, "seconds", lambda _: waits.append(1) or 0.5)
    classifier = make_classifier(SCRIPT, max_padded_tokens=16, aggregation_strategy=strategy)
    encoding = classifier.encode(TEXTS)
    with Reads() as reads:
        launched = classifier.launch(encoding)
    assert len(classifier.model.network.shapes) > 3
    assert (reads.names, waits) == ([], [])
    assert launched.collect().cost.forward_seconds == 0.5
    assert waits == [1]


def test_buffers_in_packs_give_what_padded_ones_give(checkpoint):
    """Real weights, windows that overlap, and packs that end between them."""
    options = ClassifyOptions(stride=4, max_padded_tokens=50, aggregation_strategy="max")
    padded = TokenClassifier.load(
        ModelOptions(name=str(checkpoint), precision="float32"), options, "cpu"
    )
    with packs_on_cpu():
        packing = replace(padded, model=replace(padded.model, first_position=2))
        there, here = packing.classify(TEXTS * 3), padded.classify(TEXTS * 3)
        [classified] = packing.classify_buffers([TEXTS])
    assert [row["entities"] for row in here.to_pylist()] == approximately(there)
    assert classified.cost.num_padded_tokens == classified.cost.num_model_tokens


def approximately(rows) -> list:
    return [
        [each | {"score": pytest.approx(each["score"], abs=1e-5)} for each in row["entities"]]
        for row in rows.to_pylist()
    ]


def test_a_pack_that_does_not_fit_is_halved_until_it_does():
    def make(memory_tokens: int) -> TokenClassifier:
        classifier = make_classifier(SCRIPT, memory_tokens=memory_tokens, max_window_tokens=14)
        return replace(classifier, model=replace(classifier.model, first_position=0))

    scarce = make(40)
    assert classify(scarce) == classify(make(10**6))
    assert scarce.model.memory.max_padded_tokens <= 40
    assert max(width for _, width in scarce.model.network.shapes) > 40


def test_what_goes_to_a_gpu_is_copied_in_the_launching_thread_alone(monkeypatch):
    """Without a GPU no memory can be pinned: that it is asked for is all that is seen of it."""
    empty_like, pinned = torch.empty_like, []
    monkeypatch.setattr(
        torch, "empty_like", lambda x, pin_memory: pinned.append(pin_memory) or empty_like(x)
    )
    values = torch.arange(100_000)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        copied = forward._pinned(values)
    assert pinned == [True]
    assert copied.tolist() == values.tolist()
    assert "aten::copy_" not in {event.name for event in profile.events()}  # in all its threads
