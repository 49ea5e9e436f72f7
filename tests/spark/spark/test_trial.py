"""A model whose network is to be asked is loaded by a worker before the work."""

import pytest

from spark_entities.jobs.spark.trial import try_model
from spark_entities.udfs.checkpoint import find_checkpoint
from spark_entities.udfs.errors import ModelLoadError
from spark_entities.udfs.options import ModelOptions
from tests.parity.networks import build


def test_a_network_that_a_worker_refuses_is_refused_in_its_words(spark, tmp_path):
    build("bros", tmp_path / "model")
    checkpoint = find_checkpoint(ModelOptions(name=str(tmp_path / "model")))
    with pytest.raises(ModelLoadError, match=r"^model\.name: .*alone \(ValueError\): .* bbox$"):
        try_model(spark, checkpoint)


def test_a_network_of_a_known_family_takes_no_task(tmp_path):
    build("bert", tmp_path / "model")
    try_model(None, find_checkpoint(ModelOptions(name=str(tmp_path / "model"))))
