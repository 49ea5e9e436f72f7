import pytest

from spark_entities.udfs.device import choose_device
from spark_entities.udfs.errors import DeviceError


@pytest.mark.parametrize(
    ("assigned", "visible", "gpus", "device", "reason"),
    [
        (["1"], None, 4, "cuda:1", "Spark assigned GPU 1"),
        (["2", "3"], None, 4, "cuda:2", "Spark assigned GPU 2"),
        (["3"], "2,3", 2, "cuda:1", "number 1 of CUDA_VISIBLE_DEVICES=2,3"),
        (["GPU-8f"], "GPU-1a, GPU-8f", 2, "cuda:1", "number 1 of CUDA_VISIBLE_DEVICES"),
        (["5"], "GPU-8f", 1, "cuda:0", "the only one in CUDA_VISIBLE_DEVICES=GPU-8f"),
        ([], None, 0, "cpu", "no GPU is assigned by Spark or visible to torch"),
        ([], "", 0, "cpu", "visible to torch in CUDA_VISIBLE_DEVICES="),
        ([], None, 1, "cuda:0", "the only GPU"),
        ([], "6", 1, "cuda:0", "the only GPU in CUDA_VISIBLE_DEVICES=6"),
        ([], None, 8, "cuda:0", "first of 8 GPUs, and Spark assigned none"),
    ],
)
def test_the_device_of_a_task(assigned, visible, gpus, device, reason):
    chosen = choose_device(assigned, visible, lambda: gpus)
    assert chosen.name == device
    assert reason in chosen.reason


@pytest.mark.parametrize(
    ("assigned", "visible", "gpus", "message"),
    [
        ("4", "2,3", 2, "GPU '4', which is not in CUDA_VISIBLE_DEVICES=2,3"),
        ("GPU-8f", None, 2, "GPU 'GPU-8f', which is no number"),
        ("1", None, 1, "GPU '1', but torch sees 1 GPUs"),
        ("0", None, 0, "GPU '0', but torch sees 0 GPUs. Check the driver"),
        ("0", "", 0, "torch sees 0 GPUs"),
    ],
)
def test_an_assigned_gpu_that_cannot_be_used_is_not_replaced_by_another(
    assigned, visible, gpus, message
):
    with pytest.raises(DeviceError, match=message):
        choose_device([assigned], visible, lambda: gpus)


def test_gpus_are_counted_by_torch_where_nobody_counts_for_it(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert choose_device().name == "cuda:0"
