from spark_entities.jobs.enrichment.metrics import warn_unlike


def test_models_that_compute_in_several_precisions_are_warned_of(caplog):
    warn_unlike([("cpu", "float32"), ("cuda:0", "float32")])
    assert caplog.text == ""
    warn_unlike([("cpu", "float32"), ("cpu", "bfloat16")])
    assert "Models computed in bfloat16 and in float32" in caplog.text
