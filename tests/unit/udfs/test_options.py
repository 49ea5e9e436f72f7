import pytest

from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ClassifyOptions, ModelOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": -1}, r"classify\.stride=-1 is below 0\. Set it to 0 or more"),
        ({"max_padded_tokens": 0}, r"classify\.max_padded_tokens=0 is below 1"),
        ({"buffer_chars": 0}, r"classify\.buffer_chars=0 is below 1"),
        (
            {"aggregation_strategy": "last"},
            r"'last' is not one of none, simple, first, average, max",
        ),
        ({"stride": 64, "max_window_tokens": 64}, r"stride=64, window=64 tokens\. Set .* 0\.\.63"),
    ],
)
def test_what_cannot_work_is_refused_when_made(options, message):
    with pytest.raises(ConfigError, match=message):
        ClassifyOptions(**options)


def test_an_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match=r"model\.precision='half' is not one of auto, float32"):
        ModelOptions(precision="half")


@pytest.mark.parametrize("use", [ClassifyOptions.check_window, ClassifyOptions.window_tokens])
def test_a_stride_that_does_not_fit_a_models_window_is_refused(use):
    use(ClassifyOptions(stride=63), 64)
    with pytest.raises(ConfigError, match=r"stride=64, window=64 tokens\. Set .* to 0\.\.63"):
        use(ClassifyOptions(stride=64), 64)


def test_the_window_is_the_smaller_of_what_is_asked_and_what_the_model_takes():
    assert ClassifyOptions(stride=8, max_window_tokens=64).window_tokens(510) == 64
    assert ClassifyOptions(stride=8, max_window_tokens=900).window_tokens(510) == 510
