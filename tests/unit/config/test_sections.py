from spark_entities.jobs.config import EnrichConfig
from spark_entities.udfs.options import ClassifyOptions


def test_sections_take_the_options_of_the_engine():
    config = EnrichConfig(classify=ClassifyOptions(stride=3))
    assert config.classify == ClassifyOptions(stride=3)
    assert type(config.classify) is ClassifyOptions
