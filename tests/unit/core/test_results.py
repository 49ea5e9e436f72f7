from spark_entities.udfs.core.results import make_error_row, result_type
from spark_entities.udfs.options import ClassifyOptions


def test_an_error_row_has_its_reason_and_no_entities():
    rows = make_error_row("it broke", ClassifyOptions(aggregation_strategy="none"))
    assert rows.type == result_type(ClassifyOptions(aggregation_strategy="none"))
    assert rows.to_pylist() == [
        {"entities": None, "error": "it broke", "num_tokens": 0, "num_windows": 0}
    ]
