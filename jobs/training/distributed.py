"""The same training in several processes, started by Spark's TorchDistributor.

Enters: an order, how many processes, a Spark master. Must import pyspark inside functions only: a
run in one process needs none.

Each process takes its share of every batch, and gloo (on GPUs, nccl) averages the gradients. On a
local master the processes run on this machine, else on the executors, one in each task; base,
corpora and output must then lie where all of them can reach them.
"""

from __future__ import annotations

import logging
import os
from datetime import timedelta

from spark_entities.jobs.training.run import Order, run_training
from spark_entities.jobs.training.steps import Process

log = logging.getLogger("spark_entities.finetune")

_PATIENCE = timedelta(hours=2)  # others wait while the first process scores


def train_in_process(order: Order) -> None:
    """Train in one of the processes that torchrun has started. Runs on executors."""
    import torch

    backend = "nccl" if torch.cuda.is_available() else "gloo"
    if backend == "nccl":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group(backend, timeout=_PATIENCE)
    process = Process(rank=torch.distributed.get_rank(), count=torch.distributed.get_world_size())
    level = logging.INFO if process.is_first else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(message)s")
    try:
        run_training(order, process)
        torch.distributed.barrier()
    finally:
        torch.distributed.destroy_process_group()


def train_distributed(order: Order, processes: int, master: str | None) -> None:
    """Start the processes and wait for them.

    Raises:
        ConfigError: if there is no Java to start a Spark session.

    """
    from pyspark.ml.torch.distributor import TorchDistributor

    from spark_entities.jobs.config import SparkSection
    from spark_entities.jobs.spark.session import make_session

    spark = make_session(SparkSection(master=master), "spark-entities finetune")
    local = str(spark.sparkContext.master).startswith("local")
    gpus = spark.conf.get("spark.task.resource.gpu.amount", "0") != "0"
    distributor = TorchDistributor(num_processes=processes, local_mode=local, use_gpu=gpus)
    distributor.run(train_in_process, order)
