from dataclasses import dataclass

from spark_entities.udfs.core.records import Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics(Cost):
    documents: int = 0


def test_costs_add_up_field_by_field():
    some = Cost(num_model_tokens=3, num_model_loads=1, load_seconds=0.5)
    more = Cost(num_model_tokens=4, num_padded_tokens=8, forward_seconds=0.25)
    assert some + more == Cost(
        num_model_tokens=7,
        num_padded_tokens=8,
        num_model_loads=1,
        load_seconds=0.5,
        forward_seconds=0.25,
    )


def test_costs_with_more_fields_add_up_too():
    total = sum([Metrics(documents=2, num_model_tokens=3)] * 2, Metrics())
    assert total == Metrics(documents=4, num_model_tokens=6)
